"""The lab's generated passages and questions, under the name that the benchmarks use."""

from search.lab.engine.texts import Corpus, Term

__all__ = ["Corpus", "Term"]

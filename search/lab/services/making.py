"""What cells of many campaigns share: corpora and lexical legs, made unless they stand whole."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.lab.engine import corpora, hybrid, measuring, sealed, truth
from search.lab.engine.corpora import Check, Corpus, TextFolder
from search.lab.engine.matrix import Cell
from search.lab.engine.problems import EngineProblem
from search.lab.models import CellResult
from search.lab.services import processes
from search.lab.services.problems import said
from search.lab.services.processes import OutOfMemory
from search.lab.services.worker import Job


@dataclass(frozen=True)
class Maker:
    """Makes corpora and lexical legs; what is damaged, or foreign to its place, is made again.

    Attributes
    ----------
    home : Path
        Of the lab.
    memory_mb : int
        Cap of each process; 0 for none.
    check : callable
        Called while something is made; what it raises ends the work.
    damaged : callable
        Told the name of a folder that is made again.
    """

    home: Path
    seed: int
    memory_mb: int
    check: Check
    damaged: Callable[[str], None]

    def texts(self, scale: int) -> TextFolder:
        """Return the generated texts of a scale."""
        folder = self.home / "corpora"
        self._drop_damaged(corpora.generated_folder(folder, scale, self.seed), n_passages=scale)
        return corpora.generated(folder, scale, seed=self.seed, check=self.check)

    def corpus(self, cell: Cell, texts: TextFolder, place: Path) -> Corpus:
        """Return the corpus of a cell; its vectors are made in a process of their own.

        Parameters
        ----------
        place : Path
            Where the process writes its log.

        Raises
        ------
        EngineProblem
            If they cannot be made, or nearly no question has a word that passages have.
        """
        folder, length = self.home / "corpora", cell.dimension
        self._drop_damaged(
            corpora.vectors_folder(folder, texts, length, self.seed),
            **corpora.vectors_facts(texts, length),
        )
        made = self._do(
            Job(
                "embed",
                cell,
                texts.path,
                folder,
                place,
                self.home / "cache",
                seed=self.seed,
                memory_mb=self.memory_mb,
            )
        )
        corpus = Corpus.open(texts.path, Path(made["vectors"]))
        if len(corpus.answerable) < corpora.MIN_QUESTIONS:
            raise EngineProblem(
                "too_few_questions", value=len(corpus.answerable), limit=corpora.MIN_QUESTIONS
            )
        return corpus

    def has_leg(self, name: str, corpus: Corpus) -> bool:
        """Whether a lexical leg stands whole."""
        folder = hybrid.leg_folder(self.home / "cache", corpus, name)
        self._drop_damaged(folder, **hybrid.leg_facts(corpus, name))
        return folder.exists()

    def leg(self, cell: Cell, corpus: Corpus, place: Path) -> None:
        """Make the lexical leg of a cell, as `corpus` makes vectors."""
        cache = self.home / "cache"
        self._do(Job("lexical", cell, corpus.texts.path, corpus.path, place, cache))

    def legs(self, corpus: Corpus, cells: Iterable[Cell]) -> list[Path]:
        """Return the folders of the lexical legs of cells."""
        names = dict.fromkeys(cell.lexical for cell in cells if cell.lexical)
        return [hybrid.leg_folder(self.home / "cache", corpus, name) for name in names]

    def answers(self, cell: Cell, corpus: Corpus, place: Path) -> None:
        """Work out what a cell is held against unless it is known, as `corpus` does."""
        cache = self.home / "cache"
        if not all(one.exists() for one in measuring.answers(cell, corpus, cache)):
            self._do(Job("answer", cell, corpus.texts.path, corpus.path, place, cache))

    def _drop_damaged(self, folder: Path, **facts: object) -> None:
        if sealed.drop_damaged(folder, **facts):
            self.damaged(folder.name)

    def _do(self, job: Job) -> dict[str, Any]:
        """Do a job that cells depend on; want of memory is a problem like another."""
        try:
            return processes.do(job, self.check)
        except OutOfMemory as exc:
            raise processes.memory_problem(job) from exc


def without_rows(corpus: Corpus, rows: Sequence[CellResult]) -> dict[int, str]:
    """Return what is said of cells whose filter lets nothing through, by row."""
    found = {}
    for row in rows:
        share = row.what.filter_share
        if share is not None and not truth.n_passing(corpus, share):
            n_passages = f"{corpus.texts.n_passages:,}"
            problem = EngineProblem("filter_empty", share=f"{share:g}", n_passages=n_passages)
            found[row.pk] = said(problem)
    return found

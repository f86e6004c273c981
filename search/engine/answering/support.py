"""How likely it is that the passages found answer the question: a calibrated probability."""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Signs:
    """What can be seen of whether a question is answered; all from 0 to 1.

    Attributes
    ----------
    passage, sentence : float
        Share of the question's words, weighed by how much they tell, in the passage that has most
        of them, and in the best sentence with its title and headings.
    missing : float
        Share of those that occur nowhere in the collection.
    """

    passage: float
    sentence: float
    missing: float

    @classmethod
    def none(cls) -> "Signs":
        """Return the signs of a question of which nothing was found."""
        return cls(0.0, 0.0, 1.0)

    def to_list(self) -> list[float]:
        """Return the values in the order of `COEFFICIENTS`."""
        return [float(value) for value in astuple(self)]


#: Logistic regression on the shipped knowledge base (87 answered and 121 unanswered questions) and
#: 800 questions of KorQuAD, every collection and either label weighing the same; figures on
#: questions left out stand in docs/performance.md. Made by ``benchmarks.search.support``.
INTERCEPT = -5.243
COEFFICIENTS: Sequence[float] = (5.974, 2.907, 2.812)
#: An answer is given when the passages rather answer than not: a wrong answer and a wrong refusal
#: then cost the same, and both show the passages.
THRESHOLD = 0.5


def probability(signs: Signs) -> float:
    """Return the probability that the passages answer the question."""
    pairs = zip(COEFFICIENTS, signs.to_list(), strict=True)
    return 1 / (1 + math.exp(-INTERCEPT - sum(weight * value for weight, value in pairs)))

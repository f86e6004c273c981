"""Whether a recall can be shown at all by the questions that there are."""

import math

from search.lab.engine import corpora, statistics
from search.lab.engine.problems import MatrixProblem
from search.lab.services import problems


def check(recall: float, n_passages: int | None = None) -> None:
    """Refuse a recall that no graph could be shown to reach; half of the questions prove it.

    Parameters
    ----------
    n_passages : int or None
        Of a collection, about; None for generated passages, which have questions of their own.

    Raises
    ------
    InvalidInput
        Names the greatest recall that can be shown, and how many passages would show this one.
    """
    asked = corpora.N_QUESTIONS if n_passages is None else corpora.n_questions(n_passages)
    most = statistics.most_shown(asked // 2)
    if recall <= most:
        return
    shown = math.floor(most * 10_000) / 10_000  # rounded up it would be refused itself
    known = {"field": "recall", "value": recall, "n": asked // 2, "most": shown}
    needed = _passages(recall)
    if n_passages is None or needed is None:
        raise problems.invalid_input(MatrixProblem("recall_not_shown", **known))
    raise problems.invalid_input(
        MatrixProblem(
            "recall_needs_passages", **known, passages=f"{n_passages:,}", needed=f"{needed:,}"
        )
    )


def _passages(recall: float) -> int | None:
    """Return the least size of a collection whose questions can show a recall; None for no size."""
    for half in range(1, corpora.N_QUESTIONS // 2 + 1):
        if statistics.most_shown(half) >= recall:
            return 100 * 2 * half
    return None

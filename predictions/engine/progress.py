"""Tell how far a training is, often enough that cancelling feels immediate.

What is told is English here and a sentence in the reader's language elsewhere: a message knows the
template it was made from and the values in it, as a problem does.
"""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Self

#: ``on_progress(fraction in [0, 1], phase, message, metrics)``; raising inside ends the training.
OnProgress = Callable[[float, str, str, dict[str, float]], None]

#: Reports between phases come at most this often; a tree takes a few milliseconds.
INTERVAL_S = 0.2


class Said(str):
    """An English message that can be said in another language.

    Attributes
    ----------
    template
        The sentence with its named placeholders, marked for extraction where it is written.
    values
        What fills them; a value may be a message of its own.
    """

    __slots__ = ("template", "values")

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, **values: object) -> Self:
        message = super().__new__(cls, template.format(**values))
        message.template = template
        message.values = values
        return message


class Meter:
    """Adds up work and reports it.

    Parameters
    ----------
    on_progress : callable or None
        Whom to tell.
    total : float
        Units of work in all.
    """

    def __init__(self, on_progress: OnProgress | None, total: float) -> None:
        self.on_progress = on_progress
        self.total = max(total, 1.0)
        self.done = 0.0
        self.phase = ""
        self._told_at = 0.0

    def advance(
        self,
        units: float,
        message: str,
        metrics: Mapping[str, float] | None = None,
        *,
        now: bool = False,
    ) -> None:
        """Add finished work; report if it is time, or at once when asked to."""
        self.done += units
        if self.on_progress is None:
            return
        if now or perf_counter() - self._told_at >= INTERVAL_S:
            self._told_at = perf_counter()
            fraction = min(self.done / self.total, 1.0)
            self.on_progress(fraction, self.phase, message, dict(metrics or {}))

    def enter(self, phase: str, message: str) -> None:
        """Begin a phase and report it."""
        self.phase = phase
        self.advance(0, message, now=True)

    def finish(self, message: str) -> None:
        """Report that everything is done."""
        self.done = self.total
        self.advance(0, message, now=True)

"""A judgement that does not flutter: it changes only once the opposite has lasted."""

from dataclasses import dataclass


@dataclass
class Latch:
    """Whether something counts as ill, looked at again and again.

    Attributes
    ----------
    opens_after_s, closes_after_s
        How long it must be ill, or well, without a break before the judgement changes.
    is_ill
        The judgement.
    """

    opens_after_s: float
    closes_after_s: float
    is_ill: bool = False
    _since: float | None = None

    def note(self, *, is_ill: bool, at_s: float) -> bool:
        """Note what a look at a monotonic time found; return the judgement then."""
        if is_ill == self.is_ill:
            self._since = None
            return self.is_ill
        if self._since is None:
            self._since = at_s
        lasts_s = at_s - self._since
        if lasts_s >= (self.opens_after_s if is_ill else self.closes_after_s):
            self.is_ill, self._since = is_ill, None
        return self.is_ill

"""How many of the latest values are looked at, and how often."""

from dataclasses import dataclass

#: Ours: a window moves on by a twentieth of itself between two looks.
N_STEPS = 20
WINDOW = 1_000


@dataclass(frozen=True)
class Schedule:
    """A window of so many values that is looked at every so many.

    Attributes
    ----------
    window : int
        Values looked at together.
    step : int
        New values between two looks; divides the window.
    """

    window: int = WINDOW
    step: int = WINDOW // N_STEPS

    def __post_init__(self) -> None:
        if self.step < 1 or self.window < self.step or self.window % self.step:
            raise ValueError(
                f"A window of {self.window} cannot be moved by {self.step}: the step must divide "
                "the window."
            )

    @classmethod
    def of(cls, window: int) -> "Schedule":
        """Return the usual schedule of a window: twenty looks while it is renewed once.

        Raises
        ------
        ValueError
            When the window is not a positive multiple of 20.
        """
        return cls(window, max(1, window // N_STEPS))

    @property
    def n_steps(self) -> int:
        """How many steps renew the window."""
        return self.window // self.step

    def n_looks(self, length: int) -> int:
        """Return how often a stream of a length is looked at once the window is full."""
        return max(0, length // self.step - self.n_steps + 1)

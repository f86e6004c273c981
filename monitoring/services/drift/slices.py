"""The parts of a stream that are watched on their own: lines, products, molds."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from monitoring.models import Slicing
from portal.core.models import ApiKey

#: Slices of one version; what comes later is counted in the whole alone. Ours: the work and the
#: false alarms of more would be spent on slices nobody looks at.
MOST_SLICES = 200
LONGEST = 100
#: Features that say what a slice is.
FEATURES = {Slicing.PRODUCT: "Product_Type", Slicing.MOLD: "Mold"}

Namer = Callable[[str, Mapping[str, object]], str | None]


def label(slicing: Slicing, value: object) -> str:
    """Return the name of a slice, as in ``product:3``."""
    text = f"{value:g}" if isinstance(value, int | float) else str(value)
    return f"{slicing.value}:{text[:LONGEST]}"


class Slicer:
    """Names the slices that a prediction belongs to.

    Parameters
    ----------
    slicings
        Ways to slice; unknown ones are passed over.
    """

    def __init__(self, slicings: Iterable[str]) -> None:
        self.slicings = [Slicing(name) for name in slicings if name in Slicing.values]
        self._lines: dict[str, str] = {}

    def names(self, principal: str, features: Mapping[str, object]) -> Sequence[str]:
        """Return the slices of one prediction."""
        found = []
        for slicing in self.slicings:
            if slicing == Slicing.LINE:
                found.append(self._line(principal))
            elif (value := features.get(FEATURES[slicing])) is not None:
                found.append(label(slicing, value))
        return found

    def _line(self, principal: str) -> str:
        known = self._lines.get(principal)
        if known is None:
            known = self._lines[principal] = label(Slicing.LINE, _key_name(principal))
        return known


def _key_name(principal: str) -> str:
    """Return the name of the key that asked; a line has a key of its own."""
    kind, _colon, number = principal.partition(":")
    if kind != "key" or not number.isdecimal():
        return principal or "-"
    name = ApiKey.objects.filter(pk=int(number)).values_list("name", flat=True).first()
    return name or principal

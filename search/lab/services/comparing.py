"""Two campaigns against each other: a verdict for every cell that both have measured."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from portal.core.errors import Conflict, Corrupt, InvalidInput
from search.lab import selectors
from search.lab.engine.analysis import comparing
from search.lab.engine.analysis.comparing import Compared
from search.lab.engine.matrix import Cell
from search.lab.engine.measuring import Samples
from search.lab.models import Campaign, CellResult

VERDICTS = (comparing.SLOWER, comparing.INCONCLUSIVE, comparing.SAME, comparing.FASTER)
#: Facts of a machine of which a latency depends more than on what was changed.
_SAME_MACHINE = ("processor", "n_cores", "memory_mb", "system")
_MAX_MARGIN = 1.0


@dataclass(frozen=True)
class Comparison:
    """How a later campaign did against an earlier one.

    Attributes
    ----------
    cells : sequence of Compared
        Those that both measured, the slowed ones first; ratios are later over earlier. A cell that
        other load disturbed in either campaign is never more than inconclusive.
    disturbed : sequence of str
        Labels of such cells.
    left_out : sequence of str
        Labels of cells that one of the two did not measure, or whose samples are damaged.
    other_facts : dict
        What differs between the machines: name, then, now.
    """

    then: Campaign
    now: Campaign
    margin: float
    cells: Sequence[Compared]
    disturbed: Sequence[str]
    left_out: Sequence[str]
    other_facts: Sequence[tuple[str, object, object]]

    @property
    def counts(self) -> dict[str, int]:
        """The number of cells of each verdict."""
        found = Counter(one.verdict for one in self.cells)
        return {verdict: found[verdict] for verdict in VERDICTS}

    @property
    def is_slower(self) -> bool:
        """Whether any cell became slower."""
        return bool(self.counts[comparing.SLOWER])


def compare(*, then: Campaign, now: Campaign, margin: float = comparing.MARGIN) -> Comparison:
    """Compare two campaigns cell by cell.

    Parameters
    ----------
    then, now : Campaign
        The earlier one, and the one that is judged.
    margin : float
        Differences of up to this share count as the same.

    Raises
    ------
    InvalidInput
        If the margin does not lie between 0 and 1.
    Conflict
        If they share no measured cell.
    """
    if not 0 <= margin <= _MAX_MARGIN:
        raise InvalidInput(
            _("The margin is %(value)s: it must lie between 0 and 1.") % {"value": margin},
            code="wrong_number",
        )
    ours, theirs = _measured(now), _measured(then)
    if not ours.keys() & theirs.keys():
        raise Conflict(
            _(
                "“%(now)s” and “%(then)s” have no measured cell in common: compare campaigns of "
                "the same matrix."
            )
            % {"now": now, "then": then},
            code="nothing_in_common",
        )
    disturbed = _disturbed(now) | _disturbed(then)
    cells = [
        replace(one, verdict=comparing.INCONCLUSIVE) if one.cell.key in disturbed else one
        for one in comparing.compare(ours, theirs, margin=margin)
    ]
    shared = {one.cell.key for one in cells}
    return Comparison(
        then=then,
        now=now,
        margin=margin,
        cells=cells,
        disturbed=[one.cell.label for one in cells if one.cell.key in disturbed],
        left_out=_left_out(now, then, shared),
        other_facts=_differences(then, now),
    )


def _measured(campaign: Campaign) -> dict[str, tuple[Cell, Samples]]:
    found = {}
    for row in campaign.cells.filter(state=CellResult.State.MEASURED):
        try:
            found[row.key] = (row.what, selectors.samples(row))
        except Corrupt:
            continue
    return found


def _disturbed(campaign: Campaign) -> set[str]:
    rows = campaign.cells.filter(state=CellResult.State.MEASURED, facts__is_disturbed=True)
    return set(rows.values_list("key", flat=True))


def _left_out(now: Campaign, then: Campaign, shared: set[str]) -> list[str]:
    rows = [*now.cells.all(), *then.cells.all()]
    return list(dict.fromkeys(row.what.label for row in rows if row.key not in shared))


def _differences(then: Campaign, now: Campaign) -> list[tuple[str, object, object]]:
    before, after = then.environment, now.environment
    pairs = [(name, before.get(name), after.get(name)) for name in _SAME_MACHINE]
    versions = before.get("versions", {}), after.get("versions", {})
    names = sorted(versions[0].keys() | versions[1].keys())
    pairs += [(name, versions[0].get(name), versions[1].get(name)) for name in names]
    return [pair for pair in pairs if pair[1] != pair[2]]

"""Two campaigns against each other: a verdict for every cell that both have measured."""

from collections import Counter
from collections.abc import Mapping, Sequence
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
#: In what a cell can be worse than before.
SLOWER, LESS_EXACT, FAILED, NO_INDEX, SHORT = "slower", "less_exact", "failed", "no_index", "short"
FLAGGED = (FAILED, NO_INDEX, SHORT)
#: Why a cell is left out.
NOT_MEASURED, DAMAGED, OTHER_CORPUS = "not_measured", "damaged", "other_corpus"
#: Facts of a machine of which a latency depends more than on what was changed.
_SAME_MACHINE = ("processor", "n_cores", "memory_mb", "system")
_MAX_MARGIN = 1.0


@dataclass(frozen=True)
class Worse:
    """A cell that is worse than before.

    Attributes
    ----------
    key : str
        Of the cell.
    ways : sequence of str
        ``slower``, ``less_exact``, ``failed``, ``no_index`` or ``short``.
    compared : Compared or None
        None where the cell gave no figure.
    """

    cell: Cell
    key: str
    ways: Sequence[str]
    compared: Compared | None = None


@dataclass(frozen=True)
class Comparison:
    """How a later campaign did against an earlier one.

    Attributes
    ----------
    cells : sequence of Compared
        Those that both measured on the same corpus, the slowed ones first; ratios are later over
        earlier. A cell that other load disturbed in either campaign is never more than
        inconclusive.
    worse : sequence of Worse
        Cells that the earlier one measured and that are slower or less exact, that failed, or that
        only now go past their index or return too few rows.
    disturbed : sequence of Cell
        Such cells.
    left_out : sequence of Cell and str
        Cells that are not compared, and why: ``not_measured`` by one of the two, ``damaged``, or
        measured on ``other_corpus``, where questions are others too.
    other_facts : sequence
        What differs between the campaigns and between the machines: name, then, now.
    """

    then: Campaign
    now: Campaign
    margin: float
    cells: Sequence[Compared]
    worse: Sequence[Worse]
    disturbed: Sequence[Cell]
    left_out: Sequence[tuple[Cell, str]]
    other_facts: Sequence[tuple[str, object, object]]

    @property
    def counts(self) -> dict[str, int]:
        """The number of cells of each verdict."""
        found = Counter(one.verdict for one in self.cells)
        return {verdict: found[verdict] for verdict in VERDICTS}

    @property
    def n_less_exact(self) -> int:
        """The number of cells that lost recall, whatever their verdict."""
        return sum(one.is_less_exact for one in self.cells)

    @property
    def is_slower(self) -> bool:
        """Whether any cell became slower."""
        return bool(self.counts[comparing.SLOWER])


@dataclass(frozen=True)
class _Side:
    """What one of the two campaigns gave, by the key of a cell."""

    campaign: Campaign
    rows: Mapping[str, CellResult]
    samples: Mapping[str, tuple[Cell, Samples]]
    damaged: frozenset[str]

    @classmethod
    def of(cls, campaign: Campaign) -> "_Side":
        rows = {row.key: row for row in campaign.cells.all()}
        found, damaged = {}, set()
        for key, row in rows.items():
            if row.state != CellResult.State.MEASURED:
                continue
            try:
                if selectors.is_altered(row) or selectors.missing(row.facts):
                    damaged.add(key)
                else:
                    found[key] = (row.what, selectors.samples(row))
            except Corrupt:
                damaged.add(key)
        return cls(campaign, rows, found, frozenset(damaged))

    def is_disturbed(self, key: str) -> bool:
        return bool(self.rows[key].facts.get("is_disturbed"))


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
        If they share no measured cell, or none that was measured on the same corpus, and no cell
        is known to be worse.
    """
    if not 0 <= margin <= _MAX_MARGIN:
        raise InvalidInput(
            _("The margin is %(value)s: it must lie between 0 and 1.") % {"value": margin},
            code="wrong_number",
        )
    found = judge(then=then, now=now, margin=margin)
    if found.cells or found.worse:
        return found
    words = {"now": now, "then": then}
    if OTHER_CORPUS in {why for _cell, why in found.left_out}:
        raise Conflict(
            _(
                "“%(now)s” and “%(then)s” were measured on other corpora, where the questions are "
                "others too: compare campaigns of one seed and one collection."
            )
            % words,
            code="nothing_in_common",
        )
    raise Conflict(
        _(
            "“%(now)s” and “%(then)s” have no measured cell in common: compare campaigns of "
            "the same matrix."
        )
        % words,
        code="nothing_in_common",
    )


def judge(*, then: Campaign, now: Campaign, margin: float = comparing.MARGIN) -> Comparison:
    """Compare two campaigns as `compare` does, also where no cell can be."""
    ours, theirs = _Side.of(now), _Side.of(then)
    both = ours.samples.keys() & theirs.samples.keys()
    same = {key for key in both if not _is_another_corpus(ours, theirs, key)}
    disturbed = {key for key in same if ours.is_disturbed(key) or theirs.is_disturbed(key)}
    cells = [
        replace(one, verdict=comparing.INCONCLUSIVE) if one.cell.key in disturbed else one
        for one in comparing.compare(
            {key: ours.samples[key] for key in same},
            {key: theirs.samples[key] for key in same},
            margin=margin,
        )
    ]
    return Comparison(
        then=then,
        now=now,
        margin=margin,
        cells=cells,
        worse=_worse(cells, ours, theirs),
        disturbed=[one.cell for one in cells if one.cell.key in disturbed],
        left_out=_left_out(ours, theirs, {one.cell.key for one in cells}),
        other_facts=_differences(then, now),
    )


def said(worse: Worse) -> str:
    """Return in what a cell is worse, in words."""
    known = {
        SLOWER: _("slower"),
        LESS_EXACT: _("less exact"),
        FAILED: _("failed"),
        NO_INDEX: _("did not use its index"),
        SHORT: _("returned fewer rows than there are"),
    }
    text = ", ".join(known[way] for way in worse.ways)
    if worse.compared is None:
        return f"{selectors.label(worse.cell)}: {text}"
    words = {
        "cell": selectors.label(worse.cell),
        "ratio": f"{worse.compared.ratio.value:.2f}",
        "change": f"{worse.compared.recall_change:+.3f}",
    }
    return _("%(cell)s: latency x%(ratio)s, recall %(change)s") % words + f" ({text})"


def _is_another_corpus(ours: _Side, theirs: _Side, key: str) -> bool:
    """Whether a cell was asked other questions of other passages."""
    corpora = [side.rows[key].facts.get("corpus") for side in (ours, theirs)]
    if all(corpora) and corpora[0] == corpora[1]:
        return False
    now, then = ours.campaign, theirs.campaign
    if now.collection and all(corpora):
        return True
    # A generated corpus made anew, by other libraries too, differs by rounding alone.
    return (now.seed, now.collection) != (then.seed, then.collection)


def _worse(cells: Sequence[Compared], ours: _Side, theirs: _Side) -> list[Worse]:
    compared = {one.cell.key: one for one in cells}
    found = []
    for key, then in theirs.rows.items():
        now = ours.rows.get(key)
        if now is None or then.state != CellResult.State.MEASURED:
            continue
        one = compared.get(key)
        ways = _flagged(then, now) if key not in ours.damaged | theirs.damaged else []
        if one is not None:
            ways += [SLOWER] if one.verdict == comparing.SLOWER else []
            ways += [LESS_EXACT] if one.is_less_exact else []
        if ways:
            found.append(Worse(now.what, key, ways, one))
    return sorted(found, key=lambda one: -(one.compared.ratio.value if one.compared else 0.0))


def _flagged(then: CellResult, now: CellResult) -> list[str]:
    """Return what is to be said against a cell that was not to be said before."""
    if now.state == CellResult.State.FAILED:
        return [FAILED]
    if now.state != CellResult.State.MEASURED:
        return []
    before, after = selectors.flags(then.facts), selectors.flags(now.facts)
    return [way for way in (NO_INDEX, SHORT) if way in after and way not in before]


def _left_out(ours: _Side, theirs: _Side, shared: set[str]) -> list[tuple[Cell, str]]:
    found = []
    for key, row in {**theirs.rows, **ours.rows}.items():
        if key in shared:
            continue
        why = NOT_MEASURED
        if key in ours.damaged | theirs.damaged:
            why = DAMAGED
        elif key in ours.samples and key in theirs.samples:
            why = OTHER_CORPUS
        found.append((row.what, why))
    return found


def _differences(then: Campaign, now: Campaign) -> list[tuple[str, object, object]]:
    pairs: list[tuple[str, object, object]] = [
        ("seed", then.seed, now.seed),
        ("collection", then.corpus or then.collection, now.corpus or now.collection),
        ("passes", then.n_passes, now.n_passes),
    ]
    before, after = then.environment, now.environment
    pairs += [(name, before.get(name), after.get(name)) for name in _SAME_MACHINE]
    # A campaign of an earlier portal did not record these.
    pairs += [
        (name, before[name], after[name])
        for name in ("postgres", "revision")
        if name in before and name in after
    ]
    versions = before.get("versions", {}), after.get("versions", {})
    names = sorted(versions[0].keys() | versions[1].keys())
    pairs += [(name, versions[0].get(name), versions[1].get(name)) for name in names]
    return [pair for pair in pairs if pair[1] != pair[2]]

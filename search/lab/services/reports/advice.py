"""What to take, for each need: how large the corpus is and how it is searched is no choice."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from django.utils.translation import gettext as _

from portal.lib.documents import Block, Column, Heading, Note, Paragraph, Table, Value
from search.lab import selectors
from search.lab.engine.analysis import choosing
from search.lab.engine.analysis.choosing import Need, Recommendation
from search.lab.engine.analysis.points import Point
from search.lab.engine.statistics import Figure
from search.lab.selectors import Line
from search.lab.services.reports.findings import Findings


def advice(found: Findings) -> Iterator[Block]:
    """Say what to take for each need and how sure that is, and for which there is nothing."""
    yield Heading(_("Recommendation"))
    if not any(point.is_sound for point in found.points):
        yield Note("warn", _none_to_choose_from(found))
        return
    met = {need: one for need, one in found.advice.items() if one.point is not None}
    words = {"wanted": _wanted(found), "met": len(met), "all": len(found.advice)}
    if not met:
        text = _(
            "No sound cell has %(wanted)s: measure other parameters, or an exact engine, or ask "
            "for less."
        )
        yield Note("warn", text % words)
        return
    if len(met) < len(found.advice):
        text = _(
            "For %(met)d of %(all)d needs a sound cell has %(wanted)s: the fastest of each is "
            "below, of those whose recall is sure where there are any. For the others measure "
            "other parameters, or an exact engine, or ask for less."
        )
        yield Note("warn", text % words)
    else:
        text = _(
            "The fastest sound cell with %(wanted)s, for each need: of those whose recall is sure "
            "where there are any."
        )
        yield Note("good", text % words)
    yield from (Paragraph(text) for text in _sureness(list(met.values())))
    yield _table(found)
    yield Paragraph(
        _(
            "Recall is held against exact search over vectors of the same length: it does not say "
            "what shorter vectors lose."
        )
    )


def _none_to_choose_from(found: Findings) -> str:
    """Return why no cell can be recommended, whatever is asked for."""
    if not found.points:
        return _("No cell is measured, so that nothing can be recommended.")
    return _(
        "Every measured cell has a note against it, so that nothing can be recommended: see what "
        "the notes mean, and measure again."
    )


def _wanted(found: Findings) -> str:
    """Return what is asked for, in words."""
    parts = [_("a recall of at least %(wanted)s") % {"wanted": found.wanted_recall}]
    if found.limits.max_p95_ms is not None:
        parts.append(_("a p95 of at most %(limit)s ms") % {"limit": found.limits.max_p95_ms})
    if found.limits.max_memory_mb is not None:
        parts.append(_("at most %(limit)s MB of memory") % {"limit": found.limits.max_memory_mb})
    return ", ".join(parts)


def _sureness(known: Sequence[Recommendation]) -> Iterator[str]:
    counts = Counter(one.sureness for one in known)
    if counts[choosing.SURELY]:
        text = _("Choices that are surely faster than the next best: %(count)d.")
        yield text % {"count": counts[choosing.SURELY]}
    if counts[choosing.EVEN]:
        text = _(
            "Choices whose next best may be as fast, so that other reasons may decide: %(count)d."
        )
        yield text % {"count": counts[choosing.EVEN]}
    if counts[choosing.UNKNOWN]:
        text = _("Choices of which one pass does not tell how sure they are: %(count)d.")
        yield text % {"count": counts[choosing.UNKNOWN]}
    if counts[choosing.DAMAGED]:
        text = _("Choices of which damaged samples do not tell how sure they are: %(count)d.")
        yield text % {"count": counts[choosing.DAMAGED]}
    if unsure := sum(not one.is_recall_sure for one in known):
        text = _(
            "Choices whose recall is not sure: %(count)d. Other questions may find less than was "
            "asked for, and no other cell surely reaches it."
        )
        yield text % {"count": unsure}


def _table(found: Findings) -> Table:
    length = [Column(_("length of the vectors"), "", "right")] if found.limits.each_length else []
    lines = {line.cell.key: line for line in found.measured}
    return Table(
        (
            Column(_("passages"), "", "right"),
            Column(_("search")),
            Column(_("filter"), "", "right"),
            *length,
            Column(_("take")),
            Column("p95", "ms", "right"),
            Column("recall@10", "", "right"),
            Column(_("memory"), "MB", "right"),
            Column(_("chosen from, of sound cells"), "", "right"),
            Column(_("how sure it is the fastest")),
        ),
        [_row(need, one, lines) for need, one in found.advice.items()],
    )


def _row(need: Need, one: Recommendation, lines: Mapping[str, Line]) -> Sequence[Value]:
    share = _("none") if need.filter_share >= 1 else selectors.percent(need.filter_share)
    length = () if need.dimension is None else (need.dimension,)
    start = (f"{need.scale:,}", selectors.way(need.search_type), share, *length)
    if one.point is None:
        return (*start, _("nothing"), None, None, None, f"0 / {one.n_considered}", None)
    line = lines[one.point.cell.key]
    return (
        *start,
        _name(one.point),
        interval(line.p95),
        interval(line.recall),
        one.point.memory_mb,
        f"{one.n_meeting} / {one.n_considered}",
        _sure(one),
    )


def _sure(one: Recommendation) -> str:
    """Return how sure it is that nothing else is as fast, in words."""
    point, second = one.point, one.runner_up
    if point is None or second is None:
        said = selectors.only(is_recall_sure=one.is_recall_sure)
    elif one.sureness == choosing.DAMAGED:
        said = _("not told: samples are damaged; next best is %(other)s") % {"other": _name(second)}
    elif one.lead is None:
        times = f"{second.p95_ms / point.p95_ms:.2f}"
        said = _("one pass does not tell: %(other)s took %(times)s times as long") % {
            "other": _name(second),
            "times": times,
        }
    else:
        words = {"other": _name(second), "times": str(one.lead)}
        text = _("not surely: %(other)s, %(times)s times as long, may be as fast")
        if one.sureness == choosing.SURELY:
            text = _("surely: %(other)s takes %(times)s times as long")
        said = text % words
    return selectors.marked(said, is_recall_sure=one.is_recall_sure)


def _name(point: Point) -> str:
    """Return the choice that a cell stands for."""
    parameters = ", ".join(f"{name}={value}" for name, value in point.cell.parameters.items())
    return ", ".join(filter(None, (f"{point.cell.engine} x {point.cell.dimension}", parameters)))


def interval(figure: Figure | None) -> str | None:
    """Return a figure with its interval."""
    return None if figure is None else str(figure)

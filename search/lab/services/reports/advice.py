"""What to take, for each need: how large the corpus is and how it is searched is no choice."""

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _

from portal.lib.documents import Block, Column, Heading, Note, Paragraph, Table, Value
from search.lab import selectors
from search.lab.engine.analysis.choosing import Need, Recommendation
from search.lab.engine.analysis.points import Point
from search.lab.engine.statistics import Figure
from search.lab.services.reports.findings import Findings


def advice(found: Findings) -> Iterator[Block]:
    """Say what to take for each need, and for which there is nothing."""
    yield Heading(_("Recommendation"))
    met = {need: one for need, one in found.advice.items() if one.point is not None}
    words = {"wanted": found.wanted_recall, "met": len(met), "all": len(found.advice)}
    if not met:
        yield Note(
            "warn",
            _(
                "No sound cell reaches a recall of %(wanted)s: measure other parameters, or an "
                "exact engine."
            )
            % words,
        )
        return
    if len(met) < len(found.advice):
        text = _(
            "For %(met)d of %(all)d needs a sound cell reaches a recall of %(wanted)s: the fastest "
            "of each is below. For the others measure other parameters, or an exact engine."
        )
        yield Note("warn", text % words)
    else:
        text = _("The fastest sound cell with a recall of at least %(wanted)s, for each need.")
        yield Note("good", text % words)
    yield _table(found)
    yield Paragraph(
        _(
            "Recall is held against exact search over vectors of the same length: it does not say "
            "what shorter vectors lose."
        )
    )


def _table(found: Findings) -> Table:
    return Table(
        (
            Column(_("passages"), "", "right"),
            Column(_("search")),
            Column(_("filter"), "", "right"),
            Column(_("take")),
            Column("p95", "ms", "right"),
            Column("recall@10", "", "right"),
            Column(_("memory"), "MB", "right"),
            Column(_("of cells that reach it"), "", "right"),
            Column(_("how sure it is the fastest")),
        ),
        [_row(found, need, one) for need, one in found.advice.items()],
    )


def _row(found: Findings, need: Need, one: Recommendation) -> Sequence[Value]:
    share = _("none") if need.filter_share >= 1 else f"{need.filter_share:.0%}"
    start = (f"{need.scale:,}", selectors.way(need.search_type), share)
    if one.point is None:
        return (*start, _("nothing"), None, None, None, f"0 / {one.n_considered}", None)
    point = one.point
    lines = {line.cell.key: line for line in found.measured}
    line = lines[point.cell.key]
    second = lines[one.runner_up.cell.key] if one.runner_up else None
    return (
        *start,
        _name(point),
        interval(line.p95),
        interval(line.recall),
        point.memory_mb,
        f"{one.n_meeting} / {one.n_considered}",
        selectors.sureness(line, second),
    )


def _name(point: Point) -> str:
    """Return the choice that a cell stands for."""
    parameters = ", ".join(f"{name}={value}" for name, value in point.cell.parameters.items())
    return ", ".join(filter(None, (f"{point.cell.engine} x {point.cell.dimension}", parameters)))


def interval(figure: Figure | None) -> str | None:
    """Return a figure with its interval."""
    return None if figure is None else str(figure)

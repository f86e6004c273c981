"""What moves the latency, and how it grows: in words first, then in figures."""

from collections.abc import Iterator, Mapping

from django.utils.translation import gettext as _

from portal.lib.documents import Block, Bullets, Column, Heading, Paragraph, Table
from search.lab import selectors
from search.lab.engine.analysis.effects import Effect
from search.lab.engine.analysis.scaling import Law
from search.lab.services.reports import figures
from search.lab.services.reports.findings import Findings

#: P value, corrected, below which an effect counts as shown. Ours: strict, for many are looked at.
_LEVEL = 0.01


def effects(found: Findings) -> Iterator[Block]:
    """Say which axes move the latency, by how much and how sure that is."""
    yield Heading(_("What moves the latency"))
    if found.no_effects:
        yield Paragraph(found.no_effects)
    else:
        yield Bullets(list(_said(found)))
        yield _effects(found)
        yield Paragraph(
            _(
                "Partial ω² is the share of what the other axes leave that an axis explains, from "
                "0 to 1; shares do not add up to 1. Levels are fitted with all other axes at their "
                "mean. Where two axes are named, their effect together is what goes beyond both."
            )
        )
        if any(one.f_value is None for one in found.axes):
            yield Paragraph(
                _(
                    "The axes explain the latencies without any rest, so that there is no F value: "
                    "too few cells for the axes that were chosen, or figures that were not "
                    "measured."
                )
            )
        yield from figures.effects(found)
    if found.pairs:
        yield Heading(_("Engines in pairs"), 2)
        yield _pairs(found)


def growth(found: Findings) -> Iterator[Block]:
    """Say how latency grows with the corpus and the vectors, and how sure that is."""
    yield Heading(_("How latency grows"))
    if not found.laws:
        yield Paragraph(
            _(
                "Not told: no engine, way of searching and filter has enough sound cells of "
                "several sizes or lengths of the vectors. Measure more of either."
            )
        )
        return
    yield Paragraph(
        _(
            "Latency grows with the axis to the power of the exponent: with 0 it stays as it is, "
            "with 1 it doubles when the axis doubles. Each line rests on cells alike alone: one "
            "engine, way of searching and filter, and one of its ways where it changes them."
        )
    )
    yield Table(
        (
            Column(_("engine")),
            Column(_("search")),
            Column(_("filter"), "", "right"),
            Column(_("axis")),
            Column(_("exponent"), "", "right"),
            Column(_("what is sure")),
            Column(_("cells"), "", "right"),
        ),
        [
            (
                _engine(one),
                selectors.way(one.search_type),
                _share(one.filter_share),
                figures.axis_name(one.axis),
                f"{one.exponent:.2f} ({one.low:.2f}, {one.high:.2f})",
                _sure(one),
                one.n,
            )
            for one in found.laws
        ],
    )
    yield from figures.growth(found)


def _said(found: Findings) -> Iterator[str]:
    sure = [one for one in found.axes if one.f_value is not None and one.p_value < _LEVEL]
    for one in sure:
        words = {"axis": figures.axis_name(one.factor)}
        if ":" in one.factor:
            text = _(
                "%(axis)s, surely: what the second does differs from engine to engine, so that no "
                "mean holds for all. %(levels)s."
            )
            yield text % (words | {"levels": _levels(one)})
            continue
        times = max(one.levels.values()) / min(one.levels.values())
        text = _(
            "%(axis)s, surely: the slowest level takes %(times)s times as long as the fastest."
        )
        yield text % (words | {"times": f"{times:.2f}"})
    unsure = [figures.axis_name(one.factor) for one in found.axes if one not in sure]
    if unsure:
        text = _("Not shown, which may be for want of cells: %(axes)s.")
        yield text % {"axes": ", ".join(unsure)}


def _effects(found: Findings) -> Table:
    return Table(
        (
            Column(_("axis")),
            Column(_("partial ω²"), "", "right"),
            Column(_("p, corrected by Holm"), "", "right"),
            Column(_("latency of each level against the mean")),
        ),
        [
            (figures.axis_name(one.factor), one.omega_squared, one.p_value, _levels(one))
            for one in found.axes
        ],
    )


def _levels(effect: Effect) -> str:
    """Return the levels of an axis; of two, what the second does to each level of the first."""
    if ":" not in effect.factor:
        return ", ".join(f"{_name(name)}: {value:.2f}" for name, value in effect.levels.items())
    by_first: dict[str, dict[str, float]] = {}
    for names, value in effect.levels.items():
        first, second = names.split(":")
        by_first.setdefault(first, {})[second] = value
    return "; ".join(f"{first}: {_relative(own)}" for first, own in by_first.items())


def _relative(own: Mapping[str, float]) -> str:
    base = next(iter(own.values()))
    return ", ".join(f"{_name(name)} {value / base:.2f}" for name, value in own.items())


def _name(level: str) -> str:
    return _("none") if level == "None" else level


def _pairs(found: Findings) -> Table:
    return Table(
        (
            Column(_("engine")),
            Column(_("against")),
            Column(_("ratio of latencies"), "", "right"),
            Column(_("p, corrected by Holm"), "", "right"),
            Column(_("cells"), "", "right"),
        ),
        [(one.first, one.second, one.ratio, one.p_value, one.n_cells) for one in found.pairs],
    )


def _engine(law: Law) -> str:
    means = selectors.means(law.means)
    return f"{law.engine} ({means})" if means else law.engine


def _share(share: float | None) -> str:
    return _("none") if share is None else selectors.percent(share)


def _sure(law: Law) -> str:
    """Return in words what the interval of an exponent leaves open."""
    if law.low > 1:
        return _("grows more than in proportion")
    if law.low > 0:
        return _("grows less than in proportion") if law.high < 1 else _("grows")
    return _("falls") if law.high < 0 else _("not sure whether it grows")

"""The comparison of two campaigns for a reader, and as plain JSON."""

from collections.abc import Iterator
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from portal.lib import charts
from portal.lib.documents import (
    Block,
    Bullets,
    Column,
    Document,
    Figure,
    Heading,
    Note,
    Paragraph,
    Table,
)
from search.lab import selectors
from search.lab.engine.analysis import comparing
from search.lab.models import Campaign
from search.lab.services import comparing as services
from search.lab.services.comparing import Comparison

#: Bars that can be told apart in one picture; ours.
MAX_BARS = 60


def verdict(code: str) -> str:
    """Return a verdict in words."""
    return {
        comparing.FASTER: _("faster"),
        comparing.SLOWER: _("slower"),
        comparing.SAME: _("the same"),
        comparing.INCONCLUSIVE: _("inconclusive"),
    }[code]


def why_left_out(code: str) -> str:
    """Return why a cell is not compared, in words."""
    return {
        services.NOT_MEASURED: _("not measured by both"),
        services.DAMAGED: _("what was kept is damaged"),
        services.OTHER_CORPUS: _("measured on another corpus, where the questions are others too"),
    }[code]


def document(found: Comparison, language: str) -> Document:
    """Return the comparison for a reader, its texts in the active language."""
    return Document(
        title=_("“%(now)s” against “%(then)s”") % {"now": found.now, "then": found.then},
        language=language,
        facts=(
            (_("earlier"), _called(found.then)),
            (_("later"), _called(found.now)),
            (_("counts as the same up to"), selectors.percent(found.margin)),
            *((verdict(code), count) for code, count in found.counts.items()),
            (_("less exact"), found.n_less_exact),
        ),
        blocks=tuple(_blocks(found)),
    )


def content(found: Comparison) -> dict[str, Any]:
    """Return the comparison as plain JSON."""
    return {
        "then": str(found.then.pk),
        "now": str(found.now.pk),
        "margin": found.margin,
        "counts": found.counts,
        "cells": [
            {
                "cell": one.cell.to_dict(),
                "label": one.cell.label,
                "ratio": vars(one.ratio),
                "recall_change": one.recall_change,
                "verdict": one.verdict,
                "n_passes": one.n_passes,
                "is_less_exact": one.is_less_exact,
            }
            for one in found.cells
        ],
        "worse": [
            {"cell": one.cell.to_dict(), "label": one.cell.label, "ways": list(one.ways)}
            for one in found.worse
        ],
        "disturbed": [cell.label for cell in found.disturbed],
        "left_out": [
            {"cell": cell.to_dict(), "label": cell.label, "why": why}
            for cell, why in found.left_out
        ],
        "other_facts": [
            {"name": name, "then": then, "now": now} for name, then, now in found.other_facts
        ],
    }


def _blocks(found: Comparison) -> Iterator[Block]:
    yield headline(found)
    if alone := sum(one.n_passes < comparing.MIN_PASSES for one in found.cells):
        text = _(
            "Cells that one of the two measured in a single pass: %(count)d. One pass does not "
            "tell what another would give, so these are inconclusive: measure both campaigns in "
            "at least two passes."
        )
        yield Note("warn", text % {"count": alone})
    if found.worse:
        yield Heading(_("Worse than before"))
        yield Bullets([services.said(one) for one in found.worse])
    if found.cells:
        yield from _cells(found)
    if found.disturbed:
        yield Heading(_("Disturbed by other load, so inconclusive"), 2)
        yield Bullets([selectors.label(cell) for cell in found.disturbed])
    if found.left_out:
        yield Heading(_("Not compared"), 2)
        yield Bullets(left_out(found))
    if found.other_facts:
        yield Heading(_("What else differs"), 2)
        yield Table(
            (Column(_("name")), Column(_("earlier")), Column(_("later"))),
            [(name, _plain(then), _plain(now)) for name, then, now in found.other_facts],
        )
    yield Paragraph(
        _(
            "The ratio of median latencies has a 95 % interval from the spread of the passes of "
            "both campaigns and a bootstrap over the same questions. A cell is slower or faster "
            "when the interval lies outside of what counts as the same, and inconclusive when it "
            "reaches over an edge."
        )
    )
    yield Paragraph(
        _("A cell is less exact when its mean recall@10 fell by more than %(lost)s.")
        % {"lost": comparing.MOST_RECALL_LOST}
    )


def _cells(found: Comparison) -> Iterator[Block]:
    yield Heading(_("Cells"))
    yield Table(
        (
            Column(_("cell")),
            Column(_("verdict")),
            Column(_("later over earlier"), "", "right"),
            Column(_("change of recall@10"), "", "right"),
        ),
        [
            (
                selectors.label(one.cell),
                _verdict(one),
                f"{one.ratio.value:.3f} ({one.ratio.low:.3f}-{one.ratio.high:.3f})",
                f"{one.recall_change:+.3f}",
            )
            for one in found.cells
        ],
    )
    yield _figure(found)


def left_out(found: Comparison) -> list[str]:
    """Return the cells that are not compared, each with the reason, in words."""
    return [f"{selectors.label(cell)}: {why_left_out(why)}" for cell, why in found.left_out]


def headline(found: Comparison) -> Note:
    """Say whether anything is worse; faster at the cost of recall is not the better."""
    slower, unsure = found.counts[comparing.SLOWER], found.counts[comparing.INCONCLUSIVE]
    parts = []
    if slower:
        parts.append(_("Cells slower than before: %(count)d.") % {"count": slower})
    if found.n_less_exact:
        parts.append(_("Cells less exact than before: %(count)d.") % {"count": found.n_less_exact})
    flagged = sum(bool(set(one.ways) & set(services.FLAGGED)) for one in found.worse)
    if flagged:
        parts.append(
            _("Cells that failed, or only now miss their index or rows: %(count)d.")
            % {"count": flagged}
        )
    if parts:
        return Note("bad", " ".join(parts))
    if unsure:
        return Note(
            "warn",
            _("No cell is worse for certain; inconclusive: %(count)d. Measure those longer.")
            % {"count": unsure},
        )
    return Note("good", _("No cell is slower or less exact than before."))


def _verdict(one: comparing.Compared) -> str:
    return (
        f"{verdict(one.verdict)}, {_('less exact')}" if one.is_less_exact else verdict(one.verdict)
    )


def _figure(found: Comparison) -> Figure:
    shown = found.cells[:MAX_BARS]
    return Figure.of(
        charts.Bars(
            charts.Axes(_("change of the median latency (%)")),
            [selectors.label(one.cell) for one in shown],
            [(one.ratio.value - 1) * 100 for one in shown],
            [(one.ratio.low - 1) * 100 for one in shown],
            [(one.ratio.high - 1) * 100 for one in shown],
        ),
        caption=_("Change of the median latency with its 95 % interval; to the right is slower."),
        alt=_("Bars of the change of %(count)d cells.") % {"count": len(shown)},
    )


def _called(campaign: Campaign) -> str:
    return f"{campaign} ({timezone.localtime(campaign.created_at):%Y-%m-%d})"


def _plain(value: object) -> str | None:
    return None if value is None else str(value)

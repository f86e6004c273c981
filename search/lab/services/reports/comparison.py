"""The comparison of two campaigns for a reader, and as plain JSON."""

from collections.abc import Iterator
from typing import Any

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


def document(found: Comparison, language: str) -> Document:
    """Return the comparison for a reader, its texts in the active language."""
    return Document(
        title=_("“%(now)s” against “%(then)s”") % {"now": found.now, "then": found.then},
        language=language,
        facts=(
            (_("earlier"), f"{found.then} ({found.then.created_at:%Y-%m-%d})"),
            (_("later"), f"{found.now} ({found.now.created_at:%Y-%m-%d})"),
            (_("counts as the same up to"), f"{found.margin:.0%}"),
            *((verdict(code), count) for code, count in found.counts.items()),
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
            }
            for one in found.cells
        ],
        "disturbed": list(found.disturbed),
        "left_out": list(found.left_out),
        "other_facts": [
            {"name": name, "then": then, "now": now} for name, then, now in found.other_facts
        ],
    }


def _blocks(found: Comparison) -> Iterator[Block]:
    slower = found.counts[comparing.SLOWER]
    if slower:
        yield Note("bad", _("Cells slower than before: %(count)d.") % {"count": slower})
    elif found.counts[comparing.INCONCLUSIVE]:
        yield Note(
            "warn",
            _("No cell is slower for certain; inconclusive: %(count)d. Measure those longer.")
            % {"count": found.counts[comparing.INCONCLUSIVE]},
        )
    else:
        yield Note("good", _("No cell is slower than before."))
    if alone := sum(one.n_passes < comparing.MIN_PASSES for one in found.cells):
        text = _(
            "Cells that one of the two measured in a single pass: %(count)d. One pass does not "
            "tell what another would give, so these are inconclusive: measure both campaigns in "
            "at least two passes."
        )
        yield Note("warn", text % {"count": alone})
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
                verdict(one.verdict),
                f"{one.ratio.value:.3f} ({one.ratio.low:.3f}-{one.ratio.high:.3f})",
                f"{one.recall_change:+.3f}",
            )
            for one in found.cells
        ],
    )
    yield _figure(found)
    if found.disturbed:
        yield Heading(_("Disturbed by other load, so inconclusive"), 2)
        yield Bullets(found.disturbed)
    if found.left_out:
        yield Heading(_("Not measured by both"), 2)
        yield Bullets(found.left_out)
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


def _plain(value: object) -> str | None:
    return None if value is None else str(value)

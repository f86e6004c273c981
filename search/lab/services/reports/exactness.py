"""At which recall latencies of engines stand, so that nobody compares what cannot be compared."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from portal.lib.documents import Block, Column, Heading, Note, Paragraph, Table
from search.lab.engine.matrix import GRAPHS
from search.lab.models import Campaign
from search.lab.services.reports.findings import Findings


def exactness(campaign: Campaign, found: Findings) -> Iterator[Block]:
    """Say at which recall engines were measured, and how broadly each graph was searched for it."""
    graphs = {line.cell.engine for line in found.measured if line.cell.engine in GRAPHS}
    if not graphs:
        return
    target = campaign.recall
    if target is None:
        if len({line.cell.engine for line in found.measured}) > 1:
            yield Note(
                "warn",
                _(
                    "Each graph was searched as broadly as its engine does by itself, so that "
                    "engines differ in recall: read a latency only beside its recall. A campaign "
                    "with a recall to compare at measures all graphs at one."
                ),
            )
        return
    yield Heading(_("Search breadth for the recall asked for"))
    yield Paragraph(
        _(
            "Each graph is searched with the least ef_search whose recall@10 surely reaches "
            "%(target)s on one half of the questions; figures are of the other half, so that its "
            "recall may lie slightly below. Engines without a graph are searched as they are."
        )
        % {"target": target}
    )
    yield Table(
        (
            Column(_("cell")),
            Column("ef_search", "", "right"),
            Column(_("recall where it was chosen"), "", "right"),
            Column(_("recall where it was measured"), "", "right"),
        ),
        [
            (line.label, one["ef_search"], one["recall"]["value"], line.recall.value)
            for line in found.measured
            if line.recall and (one := (line.facts or {}).get("calibration"))
        ],
    )

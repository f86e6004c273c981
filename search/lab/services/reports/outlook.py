"""What cells that were not run would give, and what building side by side saves."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from portal.lib.documents import Block, Column, Heading, Note, Paragraph, Table
from search.lab import selectors
from search.lab.engine.analysis import builds as timed
from search.lab.engine.analysis import scaling
from search.lab.engine.analysis.builds import Saving
from search.lab.engine.statistics import spanned
from search.lab.models import Campaign
from search.lab.services.reports.findings import Findings


def predictions(found: Findings) -> Iterator[Block]:
    """Say how well cells can be predicted, and predict those that were not measured."""
    yield Heading(_("Cells that were not run"))
    if found.cost is None:
        yield Paragraph(found.no_cost)
        return
    yield Paragraph(
        _(
            "Between the sizes that were measured a cell can be predicted from the others: of "
            "%(count)d cells left out one by one, half were predicted within %(error).0f %%."
        )
        % {"count": found.cost.n, "error": found.cost.error * 100}
    )
    beyond = found.cost.beyond
    if beyond is not None:
        yield Paragraph(
            _(
                "Cells of a larger corpus than any that was measured are harder: when the cells of "
                "%(scale)s passages are predicted from smaller corpora alone, the median "
                "error of the %(count)d is %(error).0f %%, and %(within).0f %% lie in their "
                "80 %% interval."
            )
            % {
                "scale": f"{beyond.scale:,}",
                "count": beyond.n,
                "error": beyond.error * 100,
                "within": beyond.covered * 100,
            }
        )
    untried = sum(one.reach == scaling.UNTRIED for one in found.predicted)
    if untried:
        yield Note(
            "warn",
            _(
                "How far off %(count)d of %(all)d predictions are is not known: they lie beyond "
                "the sizes that were measured, and too few sizes were measured to try such "
                "predictions. Take them as a hint, and measure a cell before you rely on one."
            )
            % {"count": untried, "all": len(found.predicted)},
        )
    if not found.predicted:
        return
    yield Paragraph(
        _(
            "Predicted, not measured; in brackets the interval that holds 80 of 100 such cells as "
            "long as latency goes on to follow its power law."
        )
    )
    yield Table(
        (Column(_("cell")), Column("p50", "ms", "right"), Column(_("how sure"))),
        [
            (
                selectors.label(one.cell),
                spanned(one.p50_ms, one.low_ms, one.high_ms),
                _reach(one.reach),
            )
            for one in found.predicted
        ],
    )


def _reach(code: str) -> str:
    return {
        scaling.WITHIN: _("between measured sizes"),
        scaling.LARGER: _("larger than measured, tried on the largest corpus"),
        scaling.UNTRIED: _("beyond measured sizes, error not known"),
    }[code]


def builds(campaign: Campaign) -> Iterator[Block]:
    """Compare building in sequence with building in parallel, where both were timed."""
    cores = campaign.environment.get("n_cores")
    savings = timed.savings(campaign.phases, cores)
    if not savings:
        return
    yield Heading(_("Builds in sequence and in parallel"))
    yield Paragraph(
        _(
            "The same indexes built one after another and side by side, in turns. The most that is "
            "possible is set by the cores, by the number of workers, or by the longest build, "
            "which nothing shortens."
        )
    )
    yield Table(
        (
            Column(_("corpus")),
            Column(_("rounds"), "", "right"),
            Column(_("builds at once"), "", "right"),
            Column(_("in sequence"), "s", "right"),
            Column(_("in parallel"), "s", "right"),
            Column(_("times as fast"), "", "right"),
            Column(_("times as fast at most"), "", "right"),
            Column(_("limited by")),
        ),
        [
            (
                f"{one.scale:,} x {one.dimension}",
                one.n_rounds,
                one.n_workers,
                one.sequence_s,
                one.parallel_s,
                f"{one.ratio:.2f}",
                f"{one.bound:.2f}",
                limit(one),
            )
            for one in savings
        ],
    )


def limit(saving: Saving) -> str:
    """Return in words what limits the saving."""
    return {
        "cores": _("the cores"),
        "workers": _("the number of workers"),
        "longest build": _("the longest build"),
    }[saving.limited_by]

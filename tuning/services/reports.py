"""The report of a study: what was asked, measured, proved, and what follows from it."""

import math
from collections.abc import Sequence

import numpy as np
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from portal.core import formats
from portal.lib import charts, documents
from portal.lib.documents import Column, Document, Figure, Heading, Note, Table
from tuning import selectors
from tuning.models import PutRateScore, Study, Trial
from tuning.services import latencies, put_inputs, records
from tuning.services.latencies import Distributions

FORMATS = ("html", "pdf", "md", "json")
_TONES = {"better": "good", "worse": "bad", "no_effect": "warn", "": "warn"}
#: What the panels over the trials show, the first that was measured of each; six with what was
#: predicted and how latencies spread, and the proof beside.
_PANELS = (
    ("sustainable_rate", "rate", "recall_at_10", "pr_auc"),
    ("put_p99_us", "p95_ms", "fit_s"),
    ("cpu_us_per_operation", "build_s"),
    ("write_amplification", "device_write_bytes", "size_bytes"),
)
_N_BINS = 12


def render(study: Study, form: str) -> tuple[bytes, str]:
    """Return the report and its content type, in the reader's language.

    Parameters
    ----------
    form
        One of :data:`FORMATS`.
    """
    content, content_type, _ending = documents.render(document(study), form)
    return content, content_type


def document(study: Study) -> Document:
    """Return the report as plain data."""
    trials = list(study.trials.select_related("samples"))
    for trial in trials:
        trial.study = study
    return Document(
        title=_("Study “%(name)s”") % {"name": study.name},
        language=(get_language() or "en")[:2],
        facts=_facts(study, len(trials)),
        blocks=(
            Note(_TONES[study.verdict], selectors.sentence(study)),  # type: ignore[arg-type]  # of its three
            Heading(_("Candidate")),
            _candidate(study),
            Heading(_("Gain and price")),
            _prices(study),
            Heading(_("Trials")),
            *_panels(study, trials),
            *_beginning(trials),
            _trials(trials),
        ),
    )


def _facts(study: Study, n_trials: int) -> tuple[tuple[str, str], ...]:
    weights = study.objective.get("weights", {})
    return (
        (_("target"), study.target),
        (_("workload"), study.workload),
        (_("objective"), ", ".join(f"{name} {one:.2f}" for name, one in weights.items() if one)),
        (_("trials"), str(n_trials)),
        (_("seconds measured"), f"{study.spent_s:.0f}"),
        (_("created"), formats.moment(study.created_at)),
        (_("seed"), str(study.seed)),
        (_("environment"), str(study.environment.get("system", formats.DASH))),
    )


def _candidate(study: Study) -> Table:
    rows = [
        (name, str(old), str(new))
        for name, old, new in selectors.changes(study, study.proof.get("candidate"))
    ]
    columns = (Column(_("option")), Column(_("in use")), Column(_("candidate")))
    return Table(columns, rows)


def _prices(study: Study) -> Table:
    rows = [
        (one.title, one.unit, one.current, one.candidate, one.times)
        for one in selectors.prices(study)
    ]
    columns = (
        Column(_("figure")),
        Column(_("unit")),
        Column(_("in use"), align="right"),
        Column(_("candidate"), align="right"),
        Column(_("times"), align="right"),
    )
    return Table(columns, rows)


def _panels(study: Study, trials: Sequence[Trial]) -> list[Figure | Note]:
    complete = [trial for trial in trials if trial.state == Trial.State.COMPLETE]
    found: list[Figure | Note] = []
    for names in _PANELS:
        name = next((one for one in names if any(one in row.values for row in complete)), None)
        if name is not None:
            found.append(_course(study, name, complete))
    predicted = records.predictions(study)
    if predicted:
        found.append(_predicted(predicted))
    elif complete and put_inputs.put_load(study) is not None:
        found.append(
            Note("warn", _("Nothing was predicted: no form of the put-rate model was fitted then."))
        )
    spread = latencies.of(study, complete)
    if spread is not None:
        found.append(_latencies(spread))
    if study.proof.get("log_ratios"):
        found.append(_proof(study))
    scores = [trial.score for trial in complete if trial.score is not None]
    if scores:
        found.append(_histogram(scores))
    return found


def _course(study: Study, name: str, trials: Sequence[Trial]) -> Figure:
    rows = [(float(one.number), one.values[name]) for one in trials if name in one.values]
    title = selectors.title_of(study.target, name)
    chart = charts.Lines(
        charts.Axes(_("trial"), title),
        (charts.Series(title, [x for x, _y in rows], [y for _x, y in rows]),),
    )
    return Figure.of(chart, caption=title, alt=_("%(figure)s by trial") % {"figure": title})


def _predicted(scores: Sequence[PutRateScore]) -> Figure:
    name = scores[0].form.name
    caption = _("predicted by the put-rate form %(form)s against measured (1/s)") % {"form": name}
    measured = [score.actual for score in scores]
    predicted = [score.predicted for score in scores]
    ends = [min(*measured, *predicted), max(*measured, *predicted)]
    chart = charts.Scatter(
        charts.Axes(_("measured (1/s)"), _("predicted (1/s)")),
        (
            charts.Series(
                _("trial"), measured, predicted, labels=[f"#{one.trial.number}" for one in scores]
            ),
            charts.Series(_("both are equal"), ends, ends),
        ),
    )
    return Figure.of(chart, caption=caption, alt=caption)


def _latencies(spread: Distributions) -> Figure:
    caption = (
        _("how long puts took, options in use beside candidate")
        if spread.operation == "put"
        else _("how long reads took, options in use beside candidate")
    )
    chart = charts.Lines(
        charts.Axes(_("microseconds"), _("share (%)"), log_x=True, log_y=True),
        (
            charts.Series(_("in use"), *latencies.shares(spread.current)),
            charts.Series(_("candidate"), *latencies.shares(spread.candidate)),
        ),
    )
    return Figure.of(chart, caption=caption, alt=caption)


def _proof(study: Study) -> Figure:
    ratios = [math.exp(one) for one in study.proof["log_ratios"]]
    numbers = [float(place + 1) for place in range(len(ratios))]
    caption = _("candidate over options in use")
    chart = charts.Lines(
        charts.Axes(_("pair"), caption), (charts.Series(caption, numbers, ratios),)
    )
    return Figure.of(chart, caption=caption, alt=caption)


def _histogram(scores: Sequence[float]) -> Figure:
    counts, edges = np.histogram(np.exp(scores), bins=_N_BINS)
    caption = _("times the options in use")
    chart = charts.Histogram(
        charts.Axes(caption, _("trials")), edges.tolist(), counts.astype(float).tolist()
    )
    return Figure.of(chart, caption=caption, alt=caption)


def _beginning(trials: Sequence[Trial]) -> list[Heading | Table]:
    """Return what the search measured first, and why; nothing where the sampler drew it all."""
    rows = [
        (trial.number, selectors.came_from(trial), _(why) if why else formats.DASH)
        for trial in trials
        if trial.role == Trial.Role.SEARCH and selectors.came_from(trial)
        for why in [trial.facts["origin"].get("why", "")]
    ]
    columns = (Column("#", align="right"), Column(_("came from")), Column(_("why")))
    return [Heading(_("Where the search began")), Table(columns, rows)] if rows else []


def _trials(trials: Sequence[Trial]) -> Table:
    columns = (
        Column("#", align="right"),
        Column(_("what for")),
        Column(_("state")),
        Column(_("ratio"), align="right"),
        Column(_("came from")),
        Column(_("changed options")),
    )
    rows = [
        (
            line.number,
            line.role,
            line.state,
            line.ratio,
            line.origin or (_("sampler") if line.is_search else formats.DASH),
            line.note,
        )
        for line in selectors.lines(trials)
    ]
    return Table(columns, rows)

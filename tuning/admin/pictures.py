"""The pictures of a study's page, drawn by the server."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from portal.lib import charts
from tuning.models import PutRateScore, Study, Trial

#: Points of the diagonal, which is drawn in steps finer than a pixel.
N_DIAGONAL = 1_000


def course(trials: Sequence[Trial]) -> SafeString:
    """Draw each trial's ratio to the options in use, and the best so far."""
    found = [
        (float(trial.number), math.exp(trial.score))
        for trial in trials
        if trial.role == Trial.Role.SEARCH and trial.state == "complete" and trial.score is not None
    ]
    if not found:
        return mark_safe("")
    numbers, ratios = [x for x, _y in found], [y for _x, y in found]
    best = [max(ratios[: place + 1]) for place in range(len(ratios))]
    axes = charts.Axes(_("trial"), _("times the options in use"))
    series = (
        charts.Series(_("trial"), numbers, ratios),
        charts.Series(_("best so far"), numbers, best),
    )
    return _drawn(charts.Lines(axes, series))


def front(study: Study, trials: Sequence[Trial]) -> SafeString:
    """Draw the trials over two of the target's figures; those no other beats are joined."""
    metrics = list(study.objective.get("metrics", {}).values())
    known = [name for name in study.findings.get("current", {}) if name not in metrics]
    pair = (metrics + known)[:2]
    complete = [
        trial
        for trial in trials
        if trial.role == Trial.Role.SEARCH
        and trial.state == "complete"
        and all(name in trial.values for name in pair)
    ]
    if len(pair) < 2 or not complete:
        return mark_safe("")
    x, y = pair
    best = set(study.findings.get("pareto", ()))
    joined = sorted(
        (trial.values[x], trial.values[y]) for trial in complete if trial.number in best
    )
    series = charts.Series(
        _("trial"),
        [trial.values[x] for trial in complete],
        [trial.values[y] for trial in complete],
        labels=[f"#{trial.number}" for trial in complete],
    )
    return _drawn(charts.Scatter(charts.Axes(x, y), (series,), joined, _("no other is better")))


def importance(study: Study) -> SafeString:
    """Draw how much of the difference between trials each option explains."""
    found = list(study.findings.get("importance", {}).items())[:10]
    if not found:
        return mark_safe("")
    return _drawn(
        charts.Bars(
            charts.Axes(_("share of the difference")),
            [name for name, _share in found],
            [share for _name, share in found],
        )
    )


def proof(study: Study) -> SafeString:
    """Draw the ratio of each pair of the proof."""
    ratios = [math.exp(one) for one in study.proof.get("log_ratios", ())]
    if not ratios:
        return mark_safe("")
    numbers = [float(place + 1) for place in range(len(ratios))]
    axes = charts.Axes(_("pair"), _("candidate over options in use"))
    even = charts.Series(_("no difference"), numbers, [1.0] * len(numbers))
    return _drawn(charts.Lines(axes, (charts.Series(_("pair"), numbers, ratios), even)))


def put_rate(found: Mapping[str, Sequence[PutRateScore]]) -> SafeString:
    """Draw what each form predicted against what was measured, and where both are equal."""
    drawn = {name: scores for name, scores in found.items() if scores}
    if not drawn:
        return mark_safe("")
    series = [
        charts.Series(
            name,
            [one.predicted for one in scores],
            [one.actual for one in scores],
            labels=[f"{one.trial.study} {one.trial}" for one in scores],
        )
        for name, scores in drawn.items()
    ]
    ends = [rate for one in series for rate in (*one.x, *one.y)]
    equal = [(rate, rate) for rate in np.geomspace(min(ends), max(ends), N_DIAGONAL).tolist()]
    axes = charts.Axes(_("predicted (1/s)"), _("measured (1/s)"), log_x=True, log_y=True)
    return _drawn(charts.Scatter(axes, series, equal, _("predicted as measured")))


def _drawn(chart: charts.Chart) -> SafeString:
    return mark_safe(charts.svg(chart))  # noqa: S308 - drawn by us, texts escaped there

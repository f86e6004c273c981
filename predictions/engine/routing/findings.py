"""What a reader of an evaluation must know before believing a figure."""

from collections.abc import Mapping
from typing import Any

from predictions.engine.problems import Problem
from predictions.engine.routing.evaluation import EvaluationReport
from predictions.engine.routing.problems import RoutingProblem

#: Designs below which the promotion gate proves nothing (its default).
LEAST_GROUPS = 100
#: The model should propose this much more exactly than any baseline; ours.
LEAST_GAIN = 0.02
#: A promise broken by more than this is pointed out, over at least so many items; ours.
LEAST_BROKEN = 0.1
LEAST_ITEMS = 30
#: Refusals beyond this many times what was allowed; ours.
MANY_REFUSALS = 2.0


def findings(report: EvaluationReport, refused_share: float) -> tuple[Problem, ...]:
    """Return the warnings that follow from a report.

    Parameters
    ----------
    report : EvaluationReport
        On items held out.
    refused_share : float
        Part of known items that training allowed to be refused.
    """
    found = [*_about_the_set(report, refused_share), *_baselines(report), *_levels(report.levels)]
    return (*found, *_weakest(report))


def _finding(code: str, **params: object) -> Problem:
    return RoutingProblem("", code, params=params)


def _about_the_set(report: EvaluationReport, refused_share: float) -> list[Problem]:
    found = []
    if report.n_groups < LEAST_GROUPS:
        found.append(_finding("judged_few", value=report.n_groups, low=LEAST_GROUPS))
    refused = report.n_refused / report.n_items
    if refused > MANY_REFUSALS * max(refused_share, 1 / report.n_items):
        found.append(_finding("refuses_many", value=refused, allowed=refused_share))
    unseen = 1 - report.known_routing_share
    if unseen > LEAST_BROKEN:
        found.append(_finding("routings_unseen", value=unseen))
    return found


def _baselines(report: EvaluationReport) -> list[Problem]:
    own = report.figures["exact"].value or 0.0
    found = []
    labels: Mapping[str, Any] = {one["name"]: one["label"] for one in report.to_dict()["baselines"]}
    for name, figures in report.baselines.items():
        value = figures["exact"].value or 0.0
        if value > own - LEAST_GAIN:
            found.append(_finding("baseline_close", label=labels[name], value=value, model=own))
    return found


def _levels(levels: Mapping[str, Mapping[str, float]]) -> list[Problem]:
    return [
        _finding(
            "overconfident", level=name, promised=row["promised"], value=row["exact"], n=row["n"]
        )
        for name, row in levels.items()
        if row["n"] >= LEAST_ITEMS and row["promised"] - row["exact"] > LEAST_BROKEN
    ]


def _weakest(report: EvaluationReport) -> list[Problem]:
    whole = report.figures["exact"].value or 0.0
    large = {name: row for name, row in report.slices.items() if name and row["n"] >= LEAST_ITEMS}
    if not large:
        return []
    name, row = min(large.items(), key=lambda pair: pair[1]["exact"])
    if row["exact"] > whole - LEAST_BROKEN:
        return []
    return [_finding("weak_type", name=name, value=row["exact"], n=row["n"], whole=whole)]

"""The report of a campaign: what was measured, on what, and what follows from it."""

from typing import Any

from django.utils.translation import gettext as _

from search.lab import selectors
from search.lab.engine.analysis import choosing, effects, scaling
from search.lab.engine.analysis.points import Point
from search.lab.engine.problems import AnalysisProblem
from search.lab.engine.statistics import Figure
from search.lab.models import Campaign
from search.lab.selectors import Line


def content(campaign: Campaign) -> dict[str, Any]:
    """Return the report as plain JSON."""
    points = selectors.points(campaign)
    return {
        "campaign": str(campaign.pk),
        "name": campaign.name,
        "created_at": campaign.created_at.isoformat(),
        "matrix": campaign.matrix,
        "environment": campaign.environment,
        "cells": [line.to_dict() for line in selectors.lines(campaign)],
        "analysis": {
            "effects": _or_reason(lambda: [vars(one) for one in effects.effects(points)]),
            "pairs": [vars(one) for one in effects.pairs(points)],
            "scaling": [vars(one) for one in scaling.laws(points)],
            "pareto": [one.cell.label for one in choosing.pareto(points)],
            "recommendation": _recommendation(points),
        },
    }


def markdown(campaign: Campaign) -> str:
    """Return the report as Markdown."""
    points, lines = selectors.points(campaign), selectors.lines(campaign)
    parts = [f"# {campaign.name}", _environment(campaign), _cells(lines), _effects(points)]
    parts += [_scaling(points), _advice(points)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _environment(campaign: Campaign) -> str:
    facts = campaign.environment
    if not facts:
        return ""
    versions = ", ".join(f"{name} {one}" for name, one in facts["versions"].items())
    machine = _("%(processor)s, %(cores)s cores, %(memory)s MB, Python %(python)s") % {
        "processor": facts["processor"],
        "cores": facts["n_cores"],
        "memory": facts["memory_mb"],
        "python": facts["python"],
    }
    return f"{campaign.created_at:%Y-%m-%d}. {machine}. {versions}."


def _cells(lines: list[Line]) -> str:
    heading = [
        _("cell"),
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "recall@10",
        _("per second"),
        "MB",
        _("note"),
    ]
    rows = [heading, ["---"] + ["--:"] * 6 + ["---"]]
    for line in lines:
        figures = (line.p50, line.p95, line.p99, line.recall, line.throughput)
        size = f"{(line.facts or {}).get('size_bytes', 0) / 1e6:.0f}" if line.facts else "-"
        note = line.error or ", ".join(line.flags)
        rows.append([line.cell.label, *(_shown(one) for one in figures), size, note])
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    intervals = _("In brackets: 95 % intervals by bootstrap over the questions.")
    return f"## {_('Cells')}\n\n{table}\n\n{intervals}"


def _effects(points: list[Point]) -> str:
    try:
        found = effects.effects(points)
    except AnalysisProblem as exc:
        return f"## {_('What moves the latency')}\n\n{_(exc.template).format(**exc.params)}"
    rows = [f"| {one.factor} | {one.omega_squared:.2f} | {one.p_value:.2g} |" for one in found]
    head = f"| {_('axis')} | {_('share of variance')} | p |\n|---|--:|--:|"
    return "\n".join([f"## {_('What moves the latency')}\n", head, *rows])


def _scaling(points: list[Point]) -> str:
    laws = scaling.laws(points)
    if not laws:
        return ""
    rows = [
        f"| {one.engine} | {one.search_type} | {one.axis} | "
        f"{one.exponent:.2f} ({one.low:.2f}-{one.high:.2f}) |"
        for one in laws
    ]
    head = f"| {_('engine')} | {_('search')} | {_('axis')} | {_('exponent')} |\n|---|---|---|--:|"
    return "\n".join([f"## {_('How latency grows')}\n", head, *rows])


def _advice(points: list[Point]) -> str:
    advice = choosing.recommend(points)
    if advice.point is None:
        said = _("No sound cell reaches a recall of 0.95.")
    else:
        said = _(
            "%(cell)s is the fastest of %(meeting)d sound cells with a recall of at least 0.95: "
            "p95 %(p95).3g ms, recall %(recall).3f."
        ) % {
            "cell": advice.point.cell.label,
            "meeting": advice.n_meeting,
            "p95": advice.point.p95_ms,
            "recall": advice.point.recall_at_10,
        }
    return f"## {_('Recommendation')}\n\n{said}"


def _recommendation(points: list[Point]) -> dict[str, Any]:
    advice = choosing.recommend(points)
    return {
        "cell": advice.point.cell.to_dict() if advice.point else None,
        "reason": advice.reason,
        "n_meeting": advice.n_meeting,
        "n_considered": advice.n_considered,
    }


def _or_reason(analysis: Any) -> Any:
    try:
        return analysis()
    except AnalysisProblem as exc:
        return {"refused": str(exc)}


def _shown(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    return f"{figure.value:.3g} ({figure.low:.3g}-{figure.high:.3g})"

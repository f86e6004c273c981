"""The report of a campaign: what was measured, on what, and what follows from it.

`render` writes it for a reader (Markdown, HTML, PDF) or for a program (JSON, CSV, Parquet).
"""

import json
from typing import Any

from django.utils import translation
from django.utils.text import slugify
from django.utils.translation import gettext as _

from portal.core.errors import InvalidInput
from portal.lib import documents
from portal.lib.finite import sound
from search.lab.engine.analysis import builds, choosing
from search.lab.models import Campaign
from search.lab.services.comparing import Comparison
from search.lab.services.reports import comparison, findings, tables
from search.lab.services.reports.document import document

FORMATS = ("md", "html", "pdf", "json", "csv", "parquet")
LANGUAGES = ("ko", "en")
_TABLES = {
    "csv": (tables.csv, "text/csv; charset=utf-8"),
    "parquet": (tables.parquet, "application/vnd.apache.parquet"),
}

__all__ = [
    "FORMATS",
    "LANGUAGES",
    "content",
    "document",
    "markdown",
    "render",
    "render_comparison",
]


def render(
    campaign: Campaign,
    *,
    format: str = "html",
    language: str = "ko",
    limits: choosing.Limits | None = None,
) -> tuple[bytes, str, str]:
    """Return the report of a campaign.

    Parameters
    ----------
    format : str
        One of `FORMATS`. JSON, CSV and Parquet have names of their own, in no language.
    language : str
        One of `LANGUAGES`.
    limits : Limits or None
        What a recommendation has to keep to.

    Returns
    -------
    tuple of (bytes, str, str)
        Content, content type, and a file name of ASCII alone.

    Raises
    ------
    InvalidInput
        If there is no such format or language, or a limit that nothing can keep to.
    """
    _check("format", format, FORMATS)
    _check("language", language, LANGUAGES)
    _check_limits(limits or choosing.Limits())
    if format == "json":
        body = _json(content(campaign, limits))
        content_type = "application/json"
    elif format in _TABLES:
        write, content_type = _TABLES[format]
        body = write(findings.gather(campaign))
    else:
        with translation.override(language):
            made = document(campaign, language, limits)
        body, content_type, _ending = documents.render(made, format)
    stem = slugify(campaign.name)[:60] or "campaign"
    return body, content_type, f"{stem}-{str(campaign.pk)[:8]}.{format}"


def render_comparison(
    found: Comparison, *, format: str = "html", language: str = "ko"
) -> tuple[bytes, str, str]:
    """Return the comparison of two campaigns, in one of `documents.FORMATS`.

    Returns
    -------
    tuple of (bytes, str, str)
        Content, content type, and a file name.

    Raises
    ------
    InvalidInput
        If there is no such format or language.
    """
    _check("format", format, documents.FORMATS)
    _check("language", language, LANGUAGES)
    name = f"{str(found.now.pk)[:8]}-against-{str(found.then.pk)[:8]}.{format}"
    if format == "json":
        return _json(comparison.content(found)), "application/json", name
    with translation.override(language):
        made = comparison.document(found, language)
    body, content_type, _ending = documents.render(made, format)
    return body, content_type, name


def content(campaign: Campaign, limits: choosing.Limits | None = None) -> dict[str, Any]:
    """Return the report as plain JSON."""
    found = findings.gather(campaign, limits)
    cost = found.cost
    n_cores = campaign.environment.get("n_cores")
    return {
        "campaign": str(campaign.pk),
        "name": campaign.name,
        "created_at": campaign.created_at.isoformat(),
        "matrix": campaign.matrix,
        "environment": campaign.environment,
        "cells": [
            line.to_dict() | {"exactness": found.exactness.get(line.cell.key)}
            for line in found.lines
        ],
        "analysis": {
            "left_out": {"n_cells": found.n_left_out, "by_reason": dict(found.left_out)},
            "effects": [vars(one) for one in found.axes]
            if not found.no_effects
            else {"refused": found.no_effects},
            "pairs": [vars(one) for one in found.pairs],
            "scaling": [vars(one) for one in found.laws],
            "pareto": [one.cell.label for one in found.front],
            "outliers": [one.cell.label for one in found.outliers],
            "cost_model": {
                "median_error": cost.error,
                "n_cells": cost.n,
                "beyond": vars(cost.beyond) if cost.beyond else None,
                "predicted": [
                    {
                        "label": one.cell.label,
                        "p50_ms": one.p50_ms,
                        "low_ms": one.low_ms,
                        "high_ms": one.high_ms,
                        "reach": one.reach,
                    }
                    for one in found.predicted
                ],
            }
            if cost
            else {"refused": found.no_cost},
            "builds": [vars(one) for one in builds.savings(campaign.phases, n_cores)],
            "limits": vars(found.limits) | {"min_recall": found.wanted_recall},
            "recommendations": [
                vars(need) | _recommendation(one) for need, one in found.advice.items()
            ],
        },
    }


def markdown(campaign: Campaign) -> str:
    """Return the report as Markdown, in the language of the moment."""
    return documents.to_markdown(document(campaign, translation.get_language() or "en"))


def _recommendation(advice: choosing.Recommendation) -> dict[str, Any]:
    return {
        "cell": advice.point.cell.to_dict() if advice.point else None,
        "reason": advice.reason,
        "sureness": advice.sureness if advice.point else None,
        "lead": vars(advice.lead) if advice.lead else None,
        "is_recall_sure": advice.is_recall_sure,
        "runner_up": advice.runner_up.cell.to_dict() if advice.runner_up else None,
        "n_meeting": advice.n_meeting,
        "n_considered": advice.n_considered,
    }


def _json(found: dict[str, Any]) -> bytes:
    text = json.dumps(sound(found), ensure_ascii=False, indent=1, default=str, allow_nan=False)
    return text.encode()


def _check_limits(limits: choosing.Limits) -> None:
    """Refuse a limit that no cell, or every cell, would keep to."""
    most = {"min_recall": 1.0, "max_p95_ms": 1e7, "max_memory_mb": 1e8}
    for field, high in most.items():
        value = getattr(limits, field)
        if value is not None and not 0 < value <= high:
            raise InvalidInput(
                _("%(field)s is %(value)s: it must lie above 0 and not above %(high)s.")
                % {"field": field, "value": value, "high": f"{high:,.0f}"},
                code="wrong_number",
            )


def _check(field: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidInput(
            _("%(field)s is “%(value)s”: choose from %(allowed)s.")
            % {"field": field, "value": value[:80], "allowed": ", ".join(allowed)},
            code="unknown_choice",
        )

"""Template tags of the portal's own pages."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.db.models import Model
from django.forms import BoundField
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from portal.console.engine import plots, prose
from portal.core import formats
from portal.registry.models import AliasMove
from portal.runs import kinds
from portal.runs.models import Run, State
from predictions.engine.features import BY_NAME, Feature
from predictions.services.engine_errors import sentence
from predictions.services.progress_notes import phase_name

register = template.Library()

register.filter("ago", formats.ago)
register.filter("moment", formats.moment)
register.filter("duration", formats.duration)
register.filter("number", formats.number)
register.filter("share", formats.share)
register.filter("size", formats.size)
register.filter("figure", formats.figure)
register.filter("fixed", formats.fixed)
register.filter("via_name", formats.via)
register.filter("sentence", sentence)
register.filter("phase_name", phase_name)
register.filter("short", formats.short)
register.simple_tag(formats.badge, name="badge")
register.simple_tag(formats.state_badge, name="state_badge")


@register.inclusion_tag("console/_crumbs.html", takes_context=True)
def crumbs(context: Mapping[str, Any]) -> dict[str, Any]:
    """Show where the page stands: its app, its list, and the page's own name."""
    opts, own = context.get("opts"), context.get("crumb")
    row = context.get("original") or context.get("object")
    if opts is None:
        return {"parts": [{"title": own or context.get("title") or ""}]}
    parts = [
        {
            "title": capfirst(opts.app_config.verbose_name),
            "link": _admin("app_list", opts.app_label),
        },
        {
            "title": capfirst(opts.verbose_name_plural),
            "link": _admin(f"{opts.app_label}_{opts.model_name}_changelist"),
        },
    ]
    if isinstance(row, Model):
        page = f"{opts.app_label}_{opts.model_name}_change"
        parts.append({"title": own or row, "link": _admin(page, row.pk)})
    elif own and capfirst(own) != parts[-1]["title"]:
        parts.append({"title": own})
    return {"parts": parts}


def _admin(name: str, *args: object) -> str:
    """Return the address of a page of the console; empty where there is none."""
    try:
        return reverse(f"admin:{name}", args=args)
    except NoReverseMatch:
        return ""


@register.filter
def get(mapping: Mapping[str, Any] | None, key: str) -> Any:
    """Return one value of a mapping whose keys are data."""
    return mapping.get(key) if mapping else None


@register.filter
def as_percent(fraction: float | None) -> str:
    """Return a fraction as a CSS percentage."""
    return f"{100 * (fraction or 0):.1f}%"


@register.filter
def scaled(part: float, parts: Sequence[float]) -> str:
    """Return a value as a CSS height against the greatest of its kind."""
    most = max(parts, default=0) or 1
    return f"{85 * part / most:.1f}%"


@register.simple_tag
def columns_of(columns: Sequence[Mapping[str, Any]] | None, role: str) -> list[Mapping[str, Any]]:
    """Return the columns of a data set that play one role."""
    return [column for column in columns or () if column.get("role") == role]


@register.inclusion_tag("console/_calibration.html")
def calibration(curve: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    """Draw predicted against observed shares."""
    return {"plot": plots.calibration(curve or [])}


@register.inclusion_tag("console/_spark.html")
def spark(values: Sequence[float]) -> dict[str, Any]:
    """Draw the course of one metric as a small line."""
    return {"points": plots.spark(values)}


@register.inclusion_tag("console/_interval.html")
def interval(value: float, low: float, high: float, zero: float = 0.0) -> dict[str, Any]:
    """Draw a difference with its interval against zero."""
    return {"plot": plots.interval(value, low, high, zero)}


@register.inclusion_tag("console/_field.html")
def form_field(field: BoundField) -> dict[str, Any]:
    """Lay out one field: label, control, help and errors."""
    return {"field": field}


@register.filter
def percent_number(fraction: float | None) -> int:
    """Return a fraction as a whole percentage, for machines that read the page aloud."""
    return round(100 * (fraction or 0))


@register.filter
def tr(text: object) -> str:
    """Return the translation of a sentence that was stored in English."""
    return gettext(str(text)) if text else ""


@register.filter
def run_name(run: Run) -> str:
    """Return what people call a run: its own title, else that of its kind."""
    return run.title or kinds.title_of(run.kind)


@register.filter
def kind_name(kind: str) -> str:
    """Return what people call a kind of run."""
    return kinds.title_of(kind)


@register.filter
def state_name(value: str) -> str:
    """Return what people call a state of a run."""
    return str(State(value).label) if value in State.values else value


@register.filter
def first_items(mapping: Mapping[str, Any] | None, n: int) -> list[tuple[str, Any]]:
    """Return the largest values of a mapping with their keys."""
    pairs = (mapping or {}).items()
    return sorted(pairs, key=lambda pair: -float(pair[1]))[:n]


@register.simple_tag
def feature_label(feature: Feature | str | None) -> str:
    """Return what people call a feature, in the reader's language."""
    known = BY_NAME.get(feature) if isinstance(feature, str) else feature
    if known is None:
        return ""
    return known.label_ko if get_language() == "ko" else known.label_en


@register.filter
def tone(value: str) -> str:
    """Return the colour of a state."""
    return formats.TONES.get(value, "")


@register.simple_tag
def payback(months: float) -> str:
    """Return a number of months, or that it is never."""
    return formats.figure(round(months, 1)) if math.isfinite(months) else gettext("never")


@register.filter
def signed(value: object, digits: int = 3) -> str:
    """Return a number with its sign."""
    text = formats.fixed(value, digits)
    return f"+{text}" if isinstance(value, int | float) and value > 0 else text


@register.simple_tag
def verdict_badge(verdict: str) -> SafeString:
    """Return what an interval says of one metric."""
    words = {
        "better": (_("better"), "ok"),
        "worse": (_("worse"), "bad"),
        "undecided": (_("not decided"), "warn"),
    }
    return formats.badge(*words.get(verdict, (verdict, "")))


@register.simple_tag
def move_badge(move: AliasMove) -> SafeString:
    """Return how an alias came to move, loud where it should be."""
    tones = {"rollback": "warn", "break_glass": "bad", "promotion": "ok", "automatic": "warn"}
    return formats.badge(move.get_kind_display(), tones.get(move.kind, ""))


@register.simple_tag
def metric_cell(evaluation: Mapping[str, Any], name: str, label: str) -> SafeString:
    """Return a table cell with one figure of an evaluation."""
    return figure_cell(evaluation.get("metrics"), name, label)


@register.simple_tag
def figure_cell(metrics: Mapping[str, Any] | None, name: str, label: str) -> SafeString:
    """Return a table cell with a figure and its interval."""
    figure = (metrics or {}).get(name) or {}
    interval_text = ""
    if figure.get("low") is not None and figure.get("high") is not None:
        interval_text = f"{formats.fixed(figure['low'])} … {formats.fixed(figure['high'])}"
    return format_html(
        '<td class="mw-num" data-label="{}"><span>{}<small>{}</small></span></td>',
        gettext(label),
        formats.fixed(figure.get("value")),
        interval_text,
    )


@register.filter(name="prose")
def as_prose(text: str) -> SafeString:
    """Return the plain Markdown of model cards as HTML; everything else is escaped."""
    return mark_safe(prose.html(text))  # noqa: S308 - every character of the text was escaped


register.simple_tag(formats.bar, name="bar")

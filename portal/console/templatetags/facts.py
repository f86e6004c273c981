"""The tag that shows JSON to people: names they know, figures with intervals, no raw dumps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.console.templatetags import fact_labels
from portal.core import formats
from predictions.engine.metrics import METRICS
from predictions.engine.parameters import CHOICE_SPECS, NUMBER_SPECS

register = template.Library()

LONGEST_LINE = 12
FIGURE = {"value", "low", "high"}
LABELS: Mapping[str, Any] = {
    **fact_labels.EVERYTHING,
    "model": _("Model"),
    "version": _("Version"),
    "dataset": _("Data set"),
    "params": _("Training parameters"),
    "metrics": _("Cross-validated figures"),
    "held_out": _("Figures on held-out rows"),
    "compare": _("Show the other protocols beside"),
    "seed": _("Seed"),
    "digest": _("Digest"),
    "gate": _("Gate"),
    "scopes": _("Scopes"),
    "rows": _("Rows"),
    "name": _("Name"),
    "fingerprint": _("Fingerprint"),
    "code": _("Code"),
    "run": _("Run"),
    "key": _("API key"),
    "from": _("From"),
    "to": _("To"),
    "primary": _("Main metric"),
    "guards": _("Guards"),
    "level": _("Confidence level"),
    "recorded": _("Recorded"),
    "unchanged": _("Known before"),
    "waiting": _("Waiting for their prediction"),
    "refused": _("Refused"),
    "problems": _("Problems"),
    "n_resamples": _("Resamples"),
    "min_gain": _("Least gain"),
    "gain_certainty": _("Certainty of the least gain"),
    "block_rows": _("Rows of a block"),
    "min_groups": _("Least distinct rows"),
    "min_positives": _("Least positive rows"),
    "min_negatives": _("Least negative rows"),
    "min_slice_groups": _("Least distinct rows of a part"),
    "min_slice_positives": _("Least rows of either class in a part"),
    **{spec.name: spec.label for spec in NUMBER_SPECS},
    **{spec.name: spec.label for spec in CHOICE_SPECS},
    **{metric.name: metric.label for metric in METRICS.values()},
}
CHOSEN = {(spec.name, one.value): one.label for spec in CHOICE_SPECS for one in spec.choices}
HIDDEN = {"version_id"}
#: How numbers are shown whose names end in a unit.
UNITS: Mapping[str, Callable[[object], str]] = {"_bytes": formats.size, "_s": formats.duration}


@dataclass(frozen=True)
class Fact:
    """One line: a name, and either text or further facts."""

    name: str
    label: str
    text: str = ""
    items: Sequence["Fact"] = ()


def listed(value: Any, unit: str = "") -> list[Fact]:
    """Return a JSON object or array as facts; numbers in it may share a unit."""
    if isinstance(value, Mapping):
        pairs = [(str(name), item) for name, item in value.items() if name not in HIDDEN]
    else:
        pairs = [(str(number), item) for number, item in enumerate(value or (), start=1)]
    return [_fact(name, item, unit) for name, item in pairs]


def _fact(name: str, value: Any, unit: str = "") -> Fact:
    unit = next((suffix for suffix in UNITS if name.endswith(suffix)), unit)
    label = gettext(str(LABELS[name])) if name in LABELS else ""
    if isinstance(value, str | int) and (name, value) in CHOSEN:
        return Fact(name, label, gettext(CHOSEN[name, value]))
    if unit and isinstance(value, int | float) and not isinstance(value, bool):
        return Fact(name, label, UNITS[unit](value))
    text = _line(value)
    if text is not None:
        return Fact(name, label, text)
    return Fact(name, label, items=listed(value, unit))


def _line(value: Any) -> str | None:
    """Return a value that fits on one line as text, None for any other."""
    if isinstance(value, Mapping):
        return _figure(value) if set(value) == FIGURE else (None if value else formats.DASH)
    if isinstance(value, list | tuple):
        is_short = len(value) <= LONGEST_LINE
        is_plain = not any(isinstance(item, Mapping | list | tuple) for item in value)
        return ", ".join(_plain(item) for item in value) if is_short and is_plain else None
    return _plain(value)


def _figure(figure: Mapping[str, Any]) -> str:
    if figure["low"] is None or figure["high"] is None:
        return formats.fixed(figure["value"])
    value, low, high = (formats.fixed(figure[name]) for name in ("value", "low", "high"))
    return f"{value} ({low} … {high})"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return formats.number(value, 4) if isinstance(value, float) else formats.text(value)


@register.inclusion_tag("console/_facts.html")
def facts(value: Any) -> dict[str, Any]:
    """Show a JSON object."""
    return {"facts": listed(value)}

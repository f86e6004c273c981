"""Ablation campaigns in the admin: the list, and the page that compares the cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.contrib.filters.admin import RangeDateTimeFilter

from portal.core import formats
from portal.core.admin.base import EvidenceAdmin
from portal.core.errors import PortalError
from predictions.engine import pictures
from predictions.engine.learners.families import FAMILIES
from predictions.engine.metrics import METRICS
from predictions.engine.parameters import CHOICE_SPECS, TrainingParams
from predictions.models import Ablation, Dataset
from predictions.services import comparisons

VIEW = "runs.view_run"
#: Figures that a row shows; the files have all of them.
SHOWN = ("pr_auc", "roc_auc", "f1", "brier")
RANK = "pr_auc"
FEATURES = next(spec for spec in CHOICE_SPECS if spec.name == "features")
VERDICTS: Mapping[str, Any] = {
    "present": _("The reference is the best of all: keep it."),
    "better": _(
        "The best one lies above the reference beyond its interval. Train it, and let the gate "
        "judge it on shots that neither has seen."
    ),
    "undecided": _(
        "The best one cannot be told from the reference: its interval holds 0. The simpler one "
        "stays a good choice."
    ),
    "baseline": _(
        "A humble baseline without any sensor does at least as well as every model here: look at "
        "the data before you choose among models."
    ),
    "none": _("No cell could be fitted."),
}


@dataclass(frozen=True)
class Row:
    """One cell or baseline as the page shows it."""

    name: str
    detail: str
    kind: str
    is_best: bool
    metrics: Mapping[str, Any]
    gain: Mapping[str, Any] | None
    seconds: float | None
    stands_out: bool
    bar: pictures.Bar | None = None
    gain_bar: pictures.Bar | None = None


@dataclass(frozen=True)
class Column:
    """A heading that sorts."""

    key: str
    label: str
    query: str
    is_sorted: bool
    is_rising: bool


def _cell(content: Mapping[str, Any], *, is_default: bool) -> Row:
    features = {one.value: one.label for one in FEATURES.choices}
    learner = FAMILIES.get(content["learner"])
    n_latent = content["n_latent"]
    latent = _g("%(n)d latent features") % {"n": n_latent} if n_latent else _g("no latent features")
    kind = "cell"
    if content["is_reference"]:
        kind = "default" if is_default else "reference"
    return Row(
        name=_g(learner.label) if learner else content["learner"],
        detail=f"{_g(features.get(content['features'], content['features']))}, {latent}",
        kind=kind,
        is_best=content["is_best"],
        metrics=content["metrics"],
        gain=content["gain"],
        seconds=content["seconds"],
        stands_out=content["stands_out"],
    )


def _baseline(content: Mapping[str, Any]) -> Row:
    return Row(
        name=_g(content["label"]),
        detail=_g(content["description"]),
        kind="baseline",
        is_best=False,
        metrics=content["metrics"],
        gain=None,
        seconds=None,
        stands_out=False,
    )


def _drawn(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with their intervals on one axis for figures and one for gains."""
    figures = _bars([row.metrics.get(RANK) for row in rows])
    gains = _bars([row.gain for row in rows])
    return [
        replace(row, bar=bar, gain_bar=gain_bar)
        for row, bar, gain_bar in zip(rows, figures, gains, strict=True)
    ]


def _bars(figures: Sequence[Mapping[str, Any] | None]) -> list[pictures.Bar | None]:
    has_value = [one is not None and one["value"] is not None for one in figures]
    known = [one for one, has in zip(figures, has_value, strict=True) if one is not None and has]
    drawn = iter(pictures.bars([(one["value"], one["low"], one["high"]) for one in known]))
    return [next(drawn) if has else None for has in has_value]


def _value(row: Row, key: str) -> float | str | None:
    """Return what a column sorts by."""
    if key == "name":
        return f"{row.name} {row.detail}"
    if key == "seconds":
        return row.seconds
    figure = row.gain if key == "gain" else row.metrics.get(key)
    value: float | None = figure["value"] if figure else None
    return value


def _sorted(rows: list[Row], key: str, *, is_rising: bool) -> list[Row]:
    """Return the rows by a column; those without a value come last either way."""
    pairs: list[tuple[Any, Row]] = [(_value(row, key), row) for row in rows]
    with_value = [pair for pair in pairs if pair[0] is not None]
    with_value.sort(key=lambda pair: pair[0], reverse=not is_rising)
    return [row for _value, row in with_value] + [row for value, row in pairs if value is None]


def _is_rising(key: str) -> bool:
    """Return which way a column is sorted at first: the better end up."""
    return key in {"name", "seconds"} or (key in METRICS and not METRICS[key].higher_is_better)


def _columns(sort: str, *, is_rising: bool) -> list[Column]:
    labels = {name: _g(METRICS[name].label) for name in SHOWN}
    named = {"name": _g("Model"), **labels, "gain": _g("Gain"), "seconds": _g("Time taken")}
    columns = []
    for key, label in named.items():
        is_sorted = key == sort
        sign = "-" if is_sorted and is_rising == _is_rising(key) else ""
        columns.append(Column(key, label, f"?sort={sign}{key}", is_sorted, is_rising))
    return columns


@admin.register(Ablation)
class AblationAdmin(EvidenceAdmin[Ablation]):
    page_template = "predictions/ablation.html"
    empty_hint = _("Open a data set and press “Compare”: features, latent sizes and learners.")
    list_display = ("name", "state_badge", "done", "starter", "created")
    list_filter = ("state", ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("title", "dataset_fingerprint")
    list_select_related = ("started_by",)

    def has_view_permission(self, request: HttpRequest, obj: Ablation | None = None) -> bool:
        return request.user.has_perm(VIEW)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description=pgettext_lazy("ablation", "campaign"), ordering="title")
    def name(self, obj: Ablation) -> str:
        return obj.title

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, obj: Ablation) -> SafeString:
        return formats.state_badge(obj.state, obj.get_state_display())

    @admin.display(description=_("progress"), ordering="progress_fraction")
    def done(self, obj: Ablation) -> str:
        return formats.share(obj.progress_fraction, 0) if obj.started_at else formats.DASH

    @admin.display(description=_("started by"), ordering="started_by")
    def starter(self, obj: Ablation) -> str:
        return str(obj.started_by or obj.get_started_via_display())

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, obj: Ablation) -> str:
        return formats.moment(obj.created_at)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "run": obj,
            "title": obj.title,
            "dataset": Dataset.objects.filter(pk=obj.parameters.get("dataset")).first(),
            "files": obj.run_artifacts.filter(name__startswith="ablation.").order_by("name"),
        }
        try:
            table = comparisons.table(obj)
        except PortalError as error:
            return shown | {"problem": str(error)}
        return shown if table is None else shown | _compared(table, request.GET.get("sort", ""))


def _compared(table: Mapping[str, Any], asked: str) -> dict[str, Any]:
    """Return the comparison in the order that was asked for."""
    sort = asked.removeprefix("-")
    if sort not in {*SHOWN, "name", "gain", "seconds"}:
        sort, asked = RANK, RANK
    is_rising = _is_rising(sort) != asked.startswith("-")
    is_default = table["params"] == TrainingParams().to_dict()
    rows = [_cell(cell, is_default=is_default) for cell in table["cells"]]
    rows += [_baseline(one) for one in table["baselines"]]
    return {
        "table": table,
        "columns": _columns(sort, is_rising=is_rising),
        "rows": _drawn(_sorted(rows, sort, is_rising=is_rising)),
        "shown": [(name, METRICS[name].label) for name in SHOWN],
        "verdict": VERDICTS.get(table["verdict"], ""),
        "is_complete": len(table["cells"]) == table["n_planned"],
    }

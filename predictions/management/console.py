"""How the figures of this app are shown in the terminal; what all commands share beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from rich.table import Table

from portal.runs.management.console import VIA, actor, add_user_argument, console, plain_errors
from predictions.services.engine_errors import sentence

__all__ = [
    "NONE",
    "VIA",
    "actor",
    "add_user_argument",
    "console",
    "evaluation_tables",
    "figure",
    "finding_tables",
    "number",
    "plain_errors",
    "profile_tables",
    "span",
]

NONE = "-"


def profile_tables(profile: Mapping[str, Any]) -> list[Table]:
    """Return a data set's quality profile as tables: columns, then what the checks found."""
    columns = Table(title=_("Columns"), title_justify="left")
    names = (_("Column"), _("Unit"), _("Missing"), _("Distinct"), _("Lowest"), _("Median"))
    for number, name in enumerate((*names, _("Highest"), _("Outliers"))):
        columns.add_column(name, justify="left" if number < 2 else "right")
    for column in profile["columns"]:
        if column["role"] == "feature":
            columns.add_row(*_column_cells(column), style="dim" if column["is_constant"] else None)
    return [columns, *finding_tables(profile["checks"]["findings"])]


def _column_cells(column: Mapping[str, Any]) -> list[str]:
    distinct = str(column["n_distinct"])
    return [
        column["name"],
        column["unit"],
        f"{column['missing_share']:.1%}" if column["n_missing"] else NONE,
        _("constant") if column["is_constant"] else distinct,
        number(column["min"]),
        number(column["quantiles"].get("0.5")),
        number(column["max"]),
        str(column["n_outliers"] or NONE),
    ]


def number(value: float | None, digits: int = 5) -> str:
    """Return a number for a table, a dash for none."""
    return NONE if value is None else f"{value:.{digits}g}"


def figure(interval: Mapping[str, float | None]) -> str:
    """Return a figure with its interval."""
    if interval["value"] is None:
        return NONE
    text = f"{interval['value']:.3f}"
    if interval["low"] is None or interval["high"] is None:
        return text
    low, high = (f"{interval[end]:.3f}" for end in ("low", "high"))
    return f"{text} ({span(low, high)})"


def span(low: str, high: str) -> str:
    """Return an interval as a person writes it."""
    return _("%(low)s to %(high)s") % {"low": low, "high": high}


def evaluation_tables(evaluation: Mapping[str, Any]) -> list[Table]:
    """Return a version's evaluation as tables: protocols, held-out shots, findings."""
    protocol = evaluation["protocol"]
    main = {**protocol, "metrics": evaluation["metrics"], "baselines": evaluation["baselines"]}
    tables = [_protocol_table(evaluation, main)]
    tables += [_protocol_table(evaluation, other) for other in evaluation["comparisons"]]
    if "held_out" in evaluation:
        tables.append(_held_out_table(evaluation, evaluation["held_out"]))
    return [*tables, *finding_tables(evaluation["findings"])]


def _protocol_table(evaluation: Mapping[str, Any], result: Mapping[str, Any]) -> Table:
    title = _("%(protocol)s: %(folds)d folds, %(rows)d shots tested") % {
        "protocol": _(result["label"]),
        "folds": result["n_folds"],
        "rows": result["n_tested"],
    }
    if result["leaks"]:
        title += ": " + _("leaking, for comparison only")
    baselines = result["baselines"]
    table = _metric_table(title, [_(item["label"]) for item in baselines], leaks=result["leaks"])
    for metric in evaluation["metric_table"]:
        cells = [figure(result["metrics"][metric["name"]])]
        cells += [figure(item["metrics"][metric["name"]]) for item in baselines]
        table.add_row(_(metric["label"]), _better(metric), *cells)
    return table


def _held_out_table(evaluation: Mapping[str, Any], held_out: Mapping[str, Any]) -> Table:
    title = _("Held out for the gate: %(rows)d shots no version trains on") % {
        "rows": held_out["n_distinct"]
    }
    table = _metric_table(title, [])
    for metric in evaluation["metric_table"]:
        row = figure(held_out["metrics"][metric["name"]])
        table.add_row(_(metric["label"]), _better(metric), row)
    return table


def _metric_table(title: str, baselines: Sequence[str], *, leaks: bool = False) -> Table:
    table = Table(title=title, title_justify="left", style="dim" if leaks else "")
    table.add_column(_("Metric"))
    table.add_column(_("Better"))
    for name in (_("Model"), *baselines):
        table.add_column(name, justify="right")
    return table


def _better(metric: Mapping[str, Any]) -> str:
    return _("higher") if metric["higher_is_better"] else _("lower")


def finding_tables(findings: Sequence[Mapping[str, Any]]) -> list[Table]:
    if not findings:
        return []
    table = Table(title=_("What to know about it"), title_justify="left", show_header=False)
    for finding in findings:
        table.add_row(sentence(finding))
    return [table]

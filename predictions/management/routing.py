"""How the commands show data sets and evaluations of the routing family."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rich.table import Table

from predictions.management.console import NONE, figure, finding_tables, number, span

N_OPERATIONS = 30


def routing_profile_tables(profile: Mapping[str, Any]) -> list[Table]:
    """Return a quality profile as tables: columns, operations, then what was found."""
    return [_columns(profile), _operations(profile), *finding_tables(profile["findings"])]


def routing_evaluation_tables(evaluation: Mapping[str, Any]) -> list[Table]:
    """Return a version's evaluation as tables: figures, confidence, then what was found."""
    return [
        _figures(evaluation),
        _confidence(evaluation),
        *finding_tables(evaluation["findings"]),
    ]


def _figures(evaluation: Mapping[str, Any]) -> Table:
    title = _("Held out: %(items)d items of %(groups)d designs that no version trains on") % {
        "items": evaluation["n_items"],
        "groups": evaluation["n_groups"],
    }
    table = Table(title=title, title_justify="left")
    table.add_column(_("Metric"))
    baselines = evaluation["baselines"]
    for name in (_("Model"), _("Not refused"), *(_(one["label"]) for one in baselines)):
        table.add_column(name, justify="right")
    for metric in evaluation["metric_table"]:
        name = metric["name"]
        table.add_row(
            _(metric["label"]),
            figure(evaluation["metrics"][name]),
            figure(evaluation["accepted"][name]),
            *(number(one["metrics"][name]["value"], 3) for one in baselines),
        )
    return table


def _confidence(evaluation: Mapping[str, Any]) -> Table:
    table = Table(title=_("What its confidence is worth"), title_justify="left")
    table.add_column(_("Confidence"))
    for name in (_("Items"), _("Promised"), _("Exact")):
        table.add_column(name, justify="right")
    for name, row in evaluation["confidence_levels"].items():
        table.add_row(name, str(row["n"]), f"{row['promised']:.3f}", f"{row['exact']:.3f}")
    return table


def _columns(profile: Mapping[str, Any]) -> Table:
    table = Table(title=_("Columns"), title_justify="left")
    names = (_("Column"), _("Unit"), _("Missing"), _("Distinct"), _("Lowest"), _("Median"))
    for position, name in enumerate((*names, _("Highest"))):
        table.add_column(name, justify="left" if position < 2 else "right")
    for column in profile["columns"]:
        table.add_row(
            column["name"],
            column["unit"],
            f"{column['missing_share']:.1%}" if column["n_missing"] else NONE,
            str(column["n_distinct"]),
            *(_value(column[name]) for name in ("low", "median", "high")),
            style="dim" if column["is_constant"] else None,
        )
    return table


def _operations(profile: Mapping[str, Any]) -> Table:
    table = Table(title=_("Operations"), title_justify="left")
    table.add_column(_("Operation"))
    for name in (_("Steps"), _("Items"), _("Work centres"), _("Setup, min"), _("Run, min")):
        table.add_column(name, justify="right")
    for operation in profile["operations"][:N_OPERATIONS]:
        table.add_row(
            operation["name"],
            f"{operation['n_steps']:,}",
            f"{operation['n_items']:,}",
            str(operation["n_work_centers"]),
            _span(operation["setup"]),
            _span(operation["run"]),
        )
    return table


def _span(figures: list[float]) -> str:
    low, median, high = figures
    return f"{median:.4g} ({span(f'{low:.4g}', f'{high:.4g}')})"


def _value(value: float | str | None) -> str:
    return value if isinstance(value, str) else number(value)

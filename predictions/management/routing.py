"""How the commands show data sets and evaluations of the routing family."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rich.table import Table

from predictions.management.console import NONE, finding_tables, number, span

N_OPERATIONS = 30


def routing_profile_tables(profile: Mapping[str, Any]) -> list[Table]:
    """Return a quality profile as tables: columns, operations, then what was found."""
    return [_columns(profile), _operations(profile), *finding_tables(profile["findings"])]


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

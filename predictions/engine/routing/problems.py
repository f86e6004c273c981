"""What can be wrong with items, routings and requests for one, and the errors that say so."""

from collections.abc import Mapping
from dataclasses import dataclass

from portal.lib.coded import gettext_noop
from predictions.engine.problems import EngineError, Problem
from predictions.engine.routing.schema import FAMILY

TEMPLATES: Mapping[str, str] = {
    # One item, named values.
    "item_not_an_object": gettext_noop(
        "The item is {value}: it must be an object of column names and values."
    ),
    "item_empty": gettext_noop(
        "The item has no value to compare by: send its name, type, material and main dimensions."
    ),
    "column_unknown": gettext_noop("{field} is not a column of the item master: remove it."),
    "column_unknown_near": gettext_noop(
        "{field} is not a column of the item master: remove it, or did you mean {suggestion}?"
    ),
    "value_not_a_number": gettext_noop(
        "{field} is {value}: send a number without quotes, or null."
    ),
    "value_not_finite": gettext_noop("{field} is {value}: send a finite number, or null."),
    "value_not_whole": gettext_noop("{field} is {value}: send a whole number, or null."),
    "value_not_a_text": gettext_noop("{field} is {value}: send a text in quotes, or null."),
    "value_too_long": gettext_noop("{field} has {value} characters: it may have at most {limit}."),
    "value_not_a_date": gettext_noop(
        "{field} is {value}: send a date such as 2026-01-31, or null."
    ),
    "value_out_of_range": gettext_noop(
        "{field} is {value} {unit}: it must lie between {low} and {high}. Check the unit."
    ),
    "item_unfamiliar": gettext_noop(
        "In what tells kinds apart the most similar items reach a similarity of {value}, but "
        "{share} of the known items reach {low} or more: plan this item by hand, or add routings "
        "of its kind and train again."
    ),
    # A file as a whole.
    "unreadable": gettext_noop("The file cannot be read: {reason}."),
    "damaged_parquet": gettext_noop(
        "The Parquet file is damaged or was cut short: write it again, or import CSV."
    ),
    "wrong_format": gettext_noop(
        "The file looks like {value}: import CSV (UTF-8 or CP949) or Parquet, so convert it first."
    ),
    "wrong_encoding": gettext_noop(
        "The text is neither UTF-8 nor CP949 (byte {position}): save it as UTF-8 first."
    ),
    "empty_file": gettext_noop("The file is empty: import a table with a header and rows."),
    "no_rows": gettext_noop("The file has a header but no rows: import at least one."),
    "too_many_rows": gettext_noop("The file holds more than {limit} rows: split it."),
    # The header.
    "column_missing": gettext_noop("The column {field} is missing: add it under this name."),
    "column_missing_near": gettext_noop(
        "The column {field} is missing: add it, or rename {suggestion} if that is meant."
    ),
    "column_repeated": gettext_noop("The column {field} occurs {value} times: keep one of them."),
    # Rows and cells.
    "ragged_row": gettext_noop(
        "Row {row} has {value} cells but the header names {expected}: complete or remove the row."
    ),
    "cell_missing": gettext_noop("{field} in row {row} is empty: every row needs a value here."),
    "cell_not_a_number": gettext_noop(
        "{field} in row {row} is {value}: write a plain number such as 12.5."
    ),
    "cell_not_whole": gettext_noop("{field} in row {row} is {value}: write a whole number."),
    "cell_not_a_date": gettext_noop(
        "{field} in row {row} is {value}: write a date such as 2026-01-31."
    ),
    "cell_too_long": gettext_noop(
        "{field} in row {row} has {value} characters: it may have at most {limit}."
    ),
    "text_too_long": gettext_noop(
        "{field} has a cell of {value} characters: a text has at most {limit}."
    ),
    "cell_out_of_range": gettext_noop(
        "{field} in row {row} is {value} {unit}: it must lie between {low} and {high}. "
        "Check the unit, or leave an item's cell empty."
    ),
    "code_repeated": gettext_noop(
        "The item {value} in row {row} occurs more than once: keep one row for each item code."
    ),
    # Both tables together.
    "item_unknown": gettext_noop(
        "The routing in row {row} is for item {value}, which the item master does not hold: "
        "import the item first or remove its routing."
    ),
    "sequence_repeated": gettext_noop(
        "Row {row} repeats sequence {value} of item {item}, alternate {alternate}, valid from "
        "{valid_from}: give each operation its own number."
    ),
    "sequence_not_ascending": gettext_noop(
        "Row {row} has sequence {value} after {previous} of item {item}, alternate {alternate}: "
        "it is sorted by sequence; check that the numbers are meant."
    ),
    "item_without_routing": gettext_noop(
        "The item {value} has no routing: it is kept, but nothing is learned from it."
    ),
    # What a profile points out.
    "items_unplanned": gettext_noop(
        "{value} of {n_items} items have no routing: they are kept, but nothing is learned from "
        "them."
    ),
    "items_copied": gettext_noop(
        "{value} of {n_items} items equal another in everything but the item code."
    ),
    "columns_empty": gettext_noop("{value} columns hold nothing: {names}."),
    "columns_sparse": gettext_noop("{value} columns are empty for more than half: {names}."),
    "columns_constant": gettext_noop(
        "{value} columns hold one value only and cannot tell items apart: {names}."
    ),
    "times_far": gettext_noop(
        "{field}: {value} steps take more than {times} times the median of their operation, most "
        "{operation} of item {item} with {minutes} minutes: check the unit."
    ),
    "times_zero": gettext_noop("{field} is zero in {value} of {n_steps} steps."),
    # What an evaluation points out.
    "judged_few": gettext_noop(
        "Only {value} designs were held out to judge by; the promotion gate asks for {low}."
    ),
    "baseline_close": gettext_noop(
        "{label} proposes {value:.1%} of the routings exactly, the model {model:.1%}: the model "
        "adds little."
    ),
    "overconfident": gettext_noop(
        "The confidence “{level}” promises {promised:.1%} exact routings and keeps {value:.1%}, "
        "over {n} items."
    ),
    "weak_type": gettext_noop(
        "The item type “{name}” is the weakest: {value:.1%} exact of {n} items, against "
        "{whole:.1%} overall."
    ),
    "refuses_many": gettext_noop(
        "{value:.1%} of the held-out items were refused as unfamiliar, {allowed:.1%} were allowed: "
        "the items held out differ from those learned from."
    ),
    "routings_unseen": gettext_noop(
        "{value:.1%} of the judged items have a sequence of operations that no training item has: "
        "copying a known routing cannot be right there."
    ),
    # Training parameters and training.
    "parameter_unknown": gettext_noop("{field} is not a training parameter: remove it."),
    "parameter_not_a_number": gettext_noop("{field} is {value}: it must be {expected}."),
    "parameter_out_of_range": gettext_noop(
        "{field} is {value}: it must lie between {low} and {high}."
    ),
    "parameter_not_a_choice": gettext_noop("{field} is {value}: choose one of {allowed}."),
    "too_few_items": gettext_noop(
        "Only {value} items have a routing: training needs at least {low}."
    ),
    "too_few_groups": gettext_noop(
        "The items are variants of {value} designs only: training needs at least {low}."
    ),
    "one_routing": gettext_noop(
        "Every item has the same routing: there is nothing to learn from in this data set."
    ),
    "none_held_out": gettext_noop(
        "No item with a routing is held out, so nothing could judge the model: import more items."
    ),
    "unservable": gettext_noop("The stored routing model cannot be loaded: {reason}."),
}


@dataclass(frozen=True)
class RoutingProblem(Problem):
    """A `Problem` whose sentence comes from the routing family's table."""

    @property
    def template(self) -> str:
        """The sentence with its placeholders, as it stands in the translation catalogue."""
        return TEMPLATES[self.code]

    def to_dict(self) -> dict[str, object]:
        """Return the problem ready for JSON, with the family whose table holds its sentence."""
        return {**super().to_dict(), "family": FAMILY}


class RoutingError(EngineError):
    """Root of what the routing engine refuses."""

    code = "routing_error"


class TableError(RoutingError):
    """A file that is not a table of items or routings."""

    code = "table"


class UnreadableTable(TableError):
    """Not CSV, not Parquet, or damaged."""

    code = "unreadable_table"


class EmptyTable(TableError):
    """Nothing in it, or nothing but a header."""

    code = "empty_table"


class TooLarge(TableError):
    """More rows than are accepted at once."""

    code = "too_large"


class HeaderProblem(TableError):
    """Columns missing or repeated."""

    code = "header"


class CellProblem(TableError):
    """Rows or cells that break a rule."""

    code = "cells"


class InconsistentTables(TableError):
    """Items and routings that contradict each other."""

    code = "inconsistent_tables"


class ItemProblem(RoutingError):
    """An item that cannot be compared: unknown column, wrong type, out of range, or empty."""

    code = "item"


class ParameterProblem(RoutingError):
    """A training parameter that is unknown or out of range."""

    code = "parameter"


class NotTrainable(RoutingError):
    """Too little to learn from."""

    code = "not_trainable"


class UnservableModel(RoutingError):
    """A stored model that is damaged, foreign or of another format."""

    code = "unservable_model"

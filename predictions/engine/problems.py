"""What can be wrong with an input: one table of sentences, one problem type, one error root.

The engine speaks English and knows no translation. Every sentence is a whole one with named
placeholders and marked for extraction, so that a caller translates ``problem.template`` first and
fills it in with ``problem.params`` afterwards.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from portal.lib.coded import gettext_noop

#: Problems kept on one error; the rest are only counted, so that a file of a million bad cells
#: still makes a small answer.
MAX_LISTED = 50


TEMPLATES: Mapping[str, str] = {
    # One instance of named features.
    "not_an_object": gettext_noop(
        "The instance is {value}: it must be an object of feature names and numbers."
    ),
    "missing": gettext_noop("The feature {field} is missing: send all {n_features} features."),
    "unknown": gettext_noop("{field} is not a feature of this model: remove it."),
    "unknown_near": gettext_noop(
        "{field} is not a feature of this model: remove it, or did you mean {suggestion}?"
    ),
    "not_a_number": gettext_noop("{field} is {value}: send a number without quotes."),
    "not_finite": gettext_noop("{field} is {value}: send a finite number."),
    "null": gettext_noop(
        "{field} is null, but the model never saw it missing in training: send a number."
    ),
    "out_of_range": gettext_noop(
        "{field} is {value} {unit}: it must lie between {low} and {high}. Check unit and sensor."
    ),
    "not_allowed": gettext_noop(
        "{field} is {value}: the model knows only {allowed}. Train on this value first."
    ),
    "wrong_shape": gettext_noop("The array has shape {value}: it must be [n, {n_features}]."),
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
    "empty_file": gettext_noop("The file is empty: import a table with a header and shots."),
    "no_rows": gettext_noop("The file has a header but no shots: import at least one row."),
    "too_many_rows": gettext_noop(
        "The file holds more than {limit} rows: split it, or import only the latest shots."
    ),
    # The header.
    "column_missing": gettext_noop("The column {field} is missing: add it under this name."),
    "column_missing_near": gettext_noop(
        "The column {field} is missing: add it, or rename {suggestion} if that is meant."
    ),
    "column_repeated": gettext_noop(
        "The column {field} occurs {value} times: keep one, names count without spaces and case."
    ),
    "label_column_missing": gettext_noop(
        "There is no label: add a column defect (0 or 1) or defect flags such as {suggestion}."
    ),
    # Rows and cells.
    "ragged_row": gettext_noop(
        "Row {row} has {value} cells but the header names {expected}: complete or remove the row."
    ),
    "cell_too_long": gettext_noop(
        "{field} has a cell of {value} characters: a number or name has at most {limit}."
    ),
    "cell_not_a_number": gettext_noop(
        "{field} in row {row} is {value}: write a plain number such as 12.5, or leave it empty."
    ),
    "cell_not_finite": gettext_noop(
        "{field} in row {row} is {value}: write a finite number, or leave the cell empty."
    ),
    "cell_out_of_range": gettext_noop(
        "{field} in row {row} is {value} {unit}: it must lie between {low} and {high}. "
        "Check unit and sensor, or leave the cell empty."
    ),
    "flag_not_a_count": gettext_noop(
        "{field} in row {row} is {value}: a defect flag is a whole number from 0 to {high}."
    ),
    "label_not_known": gettext_noop(
        "The label in row {row} is {value}: write 0 or 1, ok or defect, OK or NG."
    ),
    "label_contradicts": gettext_noop(
        "Row {row} is labelled {value} but its defect flags say {expected}: correct one of them."
    ),
    "label_missing": gettext_noop(
        "Row {row} has no label: fill in the label or remove the row before training."
    ),
    # Training parameters and training.
    "parameter_unknown": gettext_noop("{field} is not a training parameter: remove it."),
    "parameter_not_a_number": gettext_noop("{field} is {value}: it must be {expected}."),
    "parameter_out_of_range": gettext_noop(
        "{field} is {value}: it must lie between {low} and {high}."
    ),
    "parameter_not_a_choice": gettext_noop("{field} is {value}: choose one of {allowed}."),
    "not_labelled": gettext_noop(
        "The data set has no complete label: import one with defect flags or a column defect."
    ),
    "one_class": gettext_noop(
        "{n_defects} of {n_rows} distinct shots are defects: training needs at least {low} "
        "of either class."
    ),
    "too_few_rows": gettext_noop(
        "Only {value} distinct shots remain without copies: training needs at least {low}."
    ),
    "no_usable_column": gettext_noop(
        "Every feature is constant or empty: there is nothing to learn from in this data set."
    ),
    "no_parity": gettext_noop(
        "The serving form differs from the training form by {value:.2g} on {n_rows} rows, more "
        "than {limit:g}: the version cannot be served."
    ),
    # Findings: not wrong, but worth knowing before a figure is believed.
    "copied_rows": gettext_noop(
        "{value} of {n_rows} rows ({share:.1%}) are exact copies of an earlier row: each shot is "
        "counted once."
    ),
    "repeated_inputs": gettext_noop(
        "{value} more rows repeat the values of another shot under another number: they stay on "
        "one side of every split."
    ),
    "near_copies": gettext_noop(
        "{value} of {n_rows} shots differ from the shot before in at most {limit} values: shuffled "
        "splits flatter every model."
    ),
    "contradicting_labels": gettext_noop(
        "{value} sets of identical values hold both good and bad shots: no model can tell those "
        "apart."
    ),
    "constant_columns": gettext_noop(
        "{value} of {n_features} features never change and cannot help the model: {names}."
    ),
    "missing_values": gettext_noop(
        "{value} of {n_rows} rows lack values ({names}): training fills in the median."
    ),
    "target_leak": gettext_noop(
        "{field} alone tells good from bad shots with an AUC of {value:.3f}: make sure that it is "
        "known before the defect is."
    ),
    "clock": gettext_noop(
        "{field} follows the order of the rows (rank correlation {value:.2f}): a shuffled split "
        "lets the model learn the date from it."
    ),
    "share_drifts": gettext_noop(
        "The defect share runs from {low:.1%} to {high:.1%} between tenths of the data: figures "
        "forward in time are worse than shuffled ones."
    ),
    "far_outliers": gettext_noop(
        "{field} reaches {value:.6g}, {distance:.0f} standard deviations from its mean: check the "
        "sensor or the stop behind it."
    ),
    "time_disorder": gettext_noop(
        "Made_At falls in {value} places: rows must be in production order for the protocol "
        "forward in time."
    ),
    "leak_inflates": gettext_noop(
        "Shuffled rows with their copies would show F1 {value:.3f} instead of {honest:.3f}, and a "
        "lookup table {lookup:.3f}: the difference is remembered shots, not skill."
    ),
    "no_signal": gettext_noop(
        "The model is not better than chance: the interval of ROC AUC is {low:.3f} to {high:.3f}."
    ),
    "baseline_as_good": gettext_noop(
        "{field} reaches PR AUC {value:.3f} under the protocol {protocol}, the model {model:.3f}: "
        "the model adds little there."
    ),
    "rows_capped": gettext_noop(
        "Only the latest {value} of {n_rows} rows were used, as max_rows says."
    ),
    "held_out_rows": gettext_noop(
        "{value} rows were left out because the evaluation set holds the same shots."
    ),
    "comparison_not_possible": gettext_noop(
        "The comparison under the protocol {field} was not possible: a part held one class only."
    ),
    "too_few_parts": gettext_noop(
        "The protocol {value} cannot be run: the data name fewer than two values of {part}."
    ),
    "worse_in_use": gettext_noop(
        "Under the protocol {field} ROC AUC is {value:.3f} ({low:.3f} to {high:.3f}) instead of "
        "{shown:.3f}: expect the lower figure where the model meets such shots."
    ),
    "weak_part": gettext_noop(
        "{field} {value} is the weakest part: ROC AUC {auc:.3f} ({low:.3f} to {high:.3f}, "
        "{n_rows} shots) against {whole:.3f} overall."
    ),
    "folds_not_trainable": gettext_noop(
        "A part of the split {value} holds one class only: use more data, fewer folds or "
        "another protocol."
    ),
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with one value.

    Attributes
    ----------
    field : str
        Feature, column or parameter; empty where a whole file or row is meant.
    code : str
        Key of `TEMPLATES`; stable, made for programs.
    row : int or None
        In a text file the line as an editor shows it (header included, from 1), in Parquet the row
        from 1, in a request the position of the instance from 0.
    params : mapping
        Values of the placeholders: the value seen, the rule, the way out.
    """

    field: str
    code: str
    row: int | None = None
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @property
    def template(self) -> str:
        """The sentence with its placeholders, as it stands in the translation catalogue."""
        return TEMPLATES[self.code]

    @property
    def values(self) -> dict[str, object]:
        """Everything the template's placeholders name."""
        return {"field": self.field, "row": self.row, **self.params}

    @property
    def message(self) -> str:
        """The English sentence, filled in."""
        return self.template.format(**self.values)

    def to_dict(self) -> dict[str, object]:
        """Return the problem ready for JSON; code and params let it be translated later."""
        return {
            "field": self.field,
            "code": self.code,
            "row": self.row,
            "params": dict(self.params),
            "message": self.message,
        }


class EngineError(ValueError):
    """Root of the errors the engine raises on purpose; carries field-level problems.

    Attributes
    ----------
    problems : tuple of Problem
        At most `MAX_LISTED` of them.
    n_problems : int
        How many there are in all.
    """

    code: ClassVar[str] = "engine_error"

    def __init__(self, problems: Iterable[Problem], *, n_problems: int | None = None) -> None:
        listed = tuple(problems)
        self.problems = listed[:MAX_LISTED]
        self.n_problems = len(listed) if n_problems is None else n_problems
        super().__init__(self._summary())

    def _summary(self) -> str:
        shown = " ".join(problem.message for problem in self.problems[:3])
        rest = self.n_problems - min(3, len(self.problems))
        return f"{shown} ({rest} more.)" if rest > 0 else shown


class ProblemList:
    """Collects problems, keeps the first `MAX_LISTED` and counts them all."""

    def __init__(self) -> None:
        self.listed: list[Problem] = []
        self.count = 0

    def add(self, problem: Problem) -> None:
        """Keep one problem, or only count it when the list is full."""
        self.count += 1
        if not self.is_full:
            self.listed.append(problem)

    def skip(self, count: int) -> None:
        """Count problems that were not built because the list is full."""
        self.count += count

    @property
    def room(self) -> int:
        """How many further problems are kept."""
        return MAX_LISTED - len(self.listed)

    @property
    def is_full(self) -> bool:
        """Whether further problems are only counted."""
        return self.room <= 0

    def __bool__(self) -> bool:
        return self.count > 0


def shown(value: object, limit: int = 40) -> str:
    """Return a value as a message shows it: quoted when text, cut when long."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"

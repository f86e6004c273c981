"""What a training rests on: distinct, labelled, checked shots."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from predictions.engine.checks import DataChecks, check
from predictions.engine.crossfit import Shots
from predictions.engine.features import FEATURE_NAMES, N_FEATURES
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import EngineError, Problem
from predictions.engine.rows import first_of_copies, group_numbers, row_keys
from predictions.engine.tables import ShotTable

#: Below these no figure means anything; ours.
MIN_DISTINCT = 100
MIN_PER_CLASS = 20
SLICE_METADATA = ("Mold", "Shift")


class NotTrainable(EngineError):
    """The data set does not allow training."""

    code: ClassVar[str] = "not_trainable"


@dataclass(frozen=True, eq=False)
class Basis:
    """What a training rests on.

    Attributes
    ----------
    params, seed
        As given.
    table : ShotTable
        The rows used.
    every, shots : Shots
        All rows, and distinct ones.
    kept : int array
        Positions of the distinct ones.
    checks : DataChecks
    findings : tuple of Problem
        What to know so far.
    """

    params: TrainingParams
    seed: int
    table: ShotTable
    every: Shots
    shots: Shots
    kept: NDArray[np.intp]
    checks: DataChecks
    findings: tuple[Problem, ...]

    def slice_columns(self, rows: NDArray[np.intp]) -> dict[str, list[str]]:
        """Return product, and mold and shift where known, of distinct shots."""
        products = [f"{value:g}" for value in self.shots.matrix[rows, 0]]
        columns = {FEATURE_NAMES[0]: products}
        for name in SLICE_METADATA:
            values = self.table.metadata(name)
            if values is not None:
                columns[name] = [values[row] or "" for row in self.kept[rows]]
        return columns


def prepare(
    table: ShotTable, params: TrainingParams, seed: int, held_out: ShotTable | None = None
) -> Basis:
    """Check shots and leave out copies, what is too old and what an evaluation set holds.

    Raises
    ------
    NotTrainable
        Without complete labels, with too few distinct shots of either class, or without a feature
        that varies.
    """
    apart, left_out = _without(table, held_out)
    used, capped = _latest(apart, params.max_rows)
    every = _shots(used)
    checks = check(every.matrix, every.labels, used.metadata("Made_At"))
    kept = np.flatnonzero(first_of_copies(every.matrix, every.labels))
    shots = every.at(kept)
    _refuse_untrainable(shots, checks)
    findings = (*left_out, *capped, *checks.findings)
    return Basis(params, seed, used, every, shots, kept, checks, findings)


def _without(table: ShotTable, held_out: ShotTable | None) -> tuple[ShotTable, tuple[Problem, ...]]:
    if held_out is None:
        return table, ()
    known = np.isin(row_keys(table.matrix()), row_keys(held_out.matrix()))
    if not known.any():
        return table, ()
    finding = Problem("", "held_out_rows", None, {"value": int(known.sum())})
    return table.take(np.flatnonzero(~known)), (finding,)


def _latest(table: ShotTable, max_rows: int) -> tuple[ShotTable, tuple[Problem, ...]]:
    if table.n_rows <= max_rows:
        return table, ()
    latest = np.arange(table.n_rows - max_rows, table.n_rows)
    params = {"value": f"{max_rows:,}", "n_rows": f"{table.n_rows:,}"}
    return table.take(latest), (Problem("max_rows", "rows_capped", None, params),)


def _shots(table: ShotTable) -> Shots:
    if not table.n_rows:
        params = {"value": 0, "low": MIN_DISTINCT}
        raise NotTrainable([Problem("", "too_few_rows", None, params)])
    labels = table.labels()
    if labels is None:
        raise NotTrainable([Problem("", "not_labelled")])
    matrix = table.matrix()
    return Shots(matrix, labels, group_numbers(matrix), _molds(table))


def _molds(table: ShotTable) -> NDArray[np.intp] | None:
    """Return the number of each row's mold; rows without a name share one."""
    names = table.metadata("Mold")
    if names is None:
        return None
    return np.unique([name or "" for name in names], return_inverse=True)[1]


def _refuse_untrainable(shots: Shots, checks: DataChecks) -> None:
    n_defects = int(shots.labels.sum())
    problems = []
    if len(shots) < MIN_DISTINCT:
        params = {"value": len(shots), "low": MIN_DISTINCT}
        problems.append(Problem("", "too_few_rows", None, params))
    elif min(n_defects, len(shots) - n_defects) < MIN_PER_CLASS:
        params = {"n_defects": n_defects, "n_rows": len(shots), "low": MIN_PER_CLASS}
        problems.append(Problem("", "one_class", None, params))
    if len(checks.constant) == N_FEATURES:
        problems.append(Problem("", "no_usable_column"))
    if problems:
        raise NotTrainable(problems)

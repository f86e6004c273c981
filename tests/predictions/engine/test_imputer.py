"""Imputation."""

import numpy as np
import pytest

from predictions.engine.imputer import fit_imputer

NAN = np.nan


def test_missing_values_become_training_medians() -> None:
    imputer = fit_imputer(np.array([[1, NAN], [2, NAN], [9, NAN]], dtype=np.float32))

    filled = imputer.fill(np.array([[NAN, NAN], [5, 6]], dtype=np.float32))

    assert filled.tolist() == [[2, 0], [5, 6]]
    assert filled.dtype == np.float32


def test_medians_agree_with_numpy() -> None:
    matrix = np.random.default_rng(1).random((50, 4)).astype(np.float32)
    matrix[::7, 1] = NAN

    assert fit_imputer(matrix).medians == pytest.approx(np.nanmedian(matrix, axis=0))

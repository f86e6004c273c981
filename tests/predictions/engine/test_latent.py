"""Latent features."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from predictions.engine.latent import N_LATENT, fit_projection
from predictions.engine.scaling import CLIP


@pytest.fixture
def filled() -> np.ndarray:
    rng = np.random.default_rng(2)
    mixed = rng.normal(0, 1, (500, 20)) @ rng.normal(0, 1, (20, 20)) + 100
    return mixed.astype(np.float32)


def test_components_agree_with_scikit_learn_but_for_the_sign(filled: np.ndarray) -> None:
    projection = fit_projection(filled)
    scaled = np.clip((filled - projection.centre) / projection.scale, -CLIP, CLIP)

    expected = PCA(N_LATENT, whiten=True, svd_solver="full").fit_transform(scaled)

    assert np.abs(projection.latent(filled)) == pytest.approx(np.abs(expected), abs=2e-3)


def test_training_rows_have_mean_zero_variance_one_and_no_correlation(filled: np.ndarray) -> None:
    latent = fit_projection(filled).latent(filled)

    assert latent.shape == (500, N_LATENT)
    assert latent.mean(axis=0) == pytest.approx(np.zeros(N_LATENT), abs=1e-4)
    assert np.cov(latent.T) == pytest.approx(np.eye(N_LATENT), abs=1e-3)


def test_wild_value_is_clipped(filled: np.ndarray) -> None:
    projection = fit_projection(filled)
    wild = np.repeat(filled[:1], 2, axis=0)
    wild[:, 3] = [1e9, 1e30]

    first, second = projection.latent(wild)

    assert np.isfinite(first).all()
    assert np.array_equal(first, second)


def test_constant_columns_and_few_rows_leave_components_zero() -> None:
    few = np.ones((3, 30), dtype=np.float32)
    few[:, 4] = [1, 2, 4]

    latent = fit_projection(few).latent(few)

    assert np.isfinite(latent).all()
    assert (latent[:, 1:] == 0).all()

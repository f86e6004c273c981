"""Latent contributions handed on to features: against the definition and by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.engine.autoencoder import AutoencoderParams, Encoder, fit_autoencoder
from predictions.engine.explanation.folding import folded, integrated_gradients, latent_shares

Floats = NDArray[np.float64]


def linear(rows: Floats) -> Floats:
    weights = np.array([[1.0, 0.0], [-3.0, 0.5], [0.0, 0.0]])
    out: Floats = rows @ weights + 7
    return out


def product(rows: Floats) -> Floats:
    out: Floats = rows[:, :1] * rows[:, 1:2] ** 2
    return out


@pytest.fixture(scope="module")
def rows() -> Floats:
    return np.clip(np.random.default_rng(3).normal(size=(300, 30)), -8, 8)


@pytest.fixture(scope="module")
def encoder(rows: Floats) -> Encoder:
    params = AutoencoderParams(n_latent=4, n_epochs=2)
    return fit_autoencoder(rows.astype(np.float32), rows[:, 0] > 0.5, params, seed=1)


def test_shares_of_a_linear_encoder_by_hand() -> None:
    shares = latent_shares(linear, np.array([3.0, -1.0, 5.0]))

    np.testing.assert_allclose(shares[:, 0], [0.5, 0.5, 0.0], atol=1e-6)
    np.testing.assert_allclose(shares[:, 1], [0.0, 1.0, 0.0], atol=1e-6)


def test_shares_of_a_product_by_hand() -> None:
    # Along the way from 0, x y² gets a third of its gradient from x and two from y.
    shares = latent_shares(product, np.array([2.0, -3.0]))

    np.testing.assert_allclose(shares[:, 0], [1 / 3, 2 / 3], atol=1e-5)


def test_movements_add_up_to_the_whole_movement(encoder: Encoder, rows: Floats) -> None:
    for row in rows[:5]:
        moved = np.flatnonzero(row)
        whole = encoder.precise(np.stack([np.zeros(30), row]))

        found = integrated_gradients(encoder.precise, row, moved, 64).sum(axis=0)

        np.testing.assert_allclose(found, whole[1] - whole[0], atol=2e-3)


def test_few_points_agree_with_many(encoder: Encoder, rows: Floats) -> None:
    for row in rows[:20]:
        few, many = (latent_shares(encoder.precise, row, n_points=n) for n in (8, 128))

        assert np.abs(few - many).sum(axis=0).max() / 2 < 0.1


def test_a_row_at_the_baseline_shares_evenly() -> None:
    np.testing.assert_allclose(latent_shares(linear, np.zeros(3)), 1 / 3)


def test_what_is_handed_on_adds_up(encoder: Encoder, rows: Floats) -> None:
    shares = latent_shares(encoder.precise, rows[0])
    values = np.random.default_rng(2).normal(size=34)

    assert shares.min() >= 0
    assert folded(values, shares).sum() == pytest.approx(values.sum(), abs=1e-12)


def test_a_feature_at_its_median_gets_nothing_of_the_latent_features() -> None:
    shares = latent_shares(linear, np.array([1.0, 0.0, 1.0]))

    assert shares[1, 0] == 0

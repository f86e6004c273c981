"""The autoencoder: its arrays against torch, its file, and what it learns."""

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.engine import autoencoder
from predictions.engine.autoencoder import (
    AutoencoderParams,
    DivergedTraining,
    Encoder,
    UnreadableEncoder,
    fit_autoencoder,
    from_bytes,
)

torch = pytest.importorskip("torch")

N_FEATURES = 30
QUICK = AutoencoderParams(n_epochs=3)


def shots(n: int = 400, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(n, 3))
    rows = causes @ rng.normal(size=(3, N_FEATURES)) + 0.1 * rng.normal(size=(n, N_FEATURES))
    return np.clip(rows, -8, 8).astype(np.float32), causes[:, 0] > 1.0


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    rows, labels = shots()
    return fit_autoencoder(rows, labels, QUICK, seed=1)


def test_arrays_say_what_torch_says(encoder: Encoder) -> None:
    network = autoencoder._network(N_FEATURES, 12)
    state = network.state_dict()
    state.update({name: torch.from_numpy(array) for name, array in encoder.weights.items()})
    network.load_state_dict(state)
    rows, _labels = shots(seed=5)
    with torch.no_grad():
        wanted = autoencoder._encode(network, torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(encoder.encode(rows), wanted, atol=2e-5)


def test_the_same_seed_gives_the_same_encoder(encoder: Encoder) -> None:
    again = fit_autoencoder(*shots(), QUICK, seed=1)
    assert again.to_bytes() == encoder.to_bytes()


def test_fitting_leaves_the_callers_random_state_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fit_autoencoder(*shots(150), AutoencoderParams(n_epochs=1), seed=9)
    assert torch.equal(before, torch.get_rng_state())


def test_more_epochs_reconstruct_better() -> None:
    losses: list[float] = []
    params = AutoencoderParams(n_epochs=20)
    made = fit_autoencoder(*shots(1500), params, seed=1, on_epoch=lambda _, x: losses.append(x))
    assert made.validation_loss == min(losses) < 0.5 * losses[0]


@pytest.mark.parametrize("n_latent", autoencoder.LATENT_SIZES)
def test_every_latent_size_is_fitted_and_read_back(n_latent: int) -> None:
    params = AutoencoderParams(n_latent=n_latent, n_epochs=1)
    made = fit_autoencoder(*shots(150), params, seed=2)
    read = from_bytes(made.to_bytes(), n_features=N_FEATURES, n_latent=n_latent)
    assert read.encode(shots(5)[0]).shape == (5, n_latent)


def test_a_file_of_another_size_is_refused(encoder: Encoder) -> None:
    with pytest.raises(UnreadableEncoder, match=r"latent\.weight"):
        from_bytes(encoder.to_bytes(), n_features=N_FEATURES, n_latent=8)


def test_a_file_with_an_extra_weight_is_refused(encoder: Encoder) -> None:
    extra = Encoder({**encoder.weights, "more": np.zeros(2, dtype=np.float32)}, 1, 0.0)
    with pytest.raises(UnreadableEncoder, match="more"):
        from_bytes(extra.to_bytes(), n_features=N_FEATURES, n_latent=12)


def test_weights_that_are_no_numbers_are_refused(encoder: Encoder) -> None:
    spoilt = {**encoder.weights, "out.bias": np.full(8, np.nan, dtype=np.float32)}
    with pytest.raises(UnreadableEncoder, match="not finite"):
        from_bytes(Encoder(spoilt, 1, 0.0).to_bytes(), n_features=N_FEATURES, n_latent=12)


@pytest.mark.parametrize("data", [b"", b"short", b"\x80\x04pickle" * 20])
def test_bytes_that_are_no_encoder_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableEncoder):
        from_bytes(data, n_features=N_FEATURES, n_latent=12)


def test_rows_beyond_all_bounds_end_with_a_reason() -> None:
    rows, labels = shots(150)
    with pytest.raises(DivergedTraining, match="scale and clip"):
        fit_autoencoder(rows * np.float32(1e30), labels, AutoencoderParams(n_epochs=2), seed=1)


def test_a_callback_can_end_the_fit() -> None:
    def stop(epoch: int, loss: float) -> None:
        raise KeyboardInterrupt(f"{epoch} {loss}")

    with pytest.raises(KeyboardInterrupt, match="1 "):
        fit_autoencoder(*shots(150), QUICK, seed=1, on_epoch=stop)

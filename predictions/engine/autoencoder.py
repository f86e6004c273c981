"""Latent features learned by an autoencoder: 30 → 64 → 32 → 16 → latent, and back.

Layers are gated (SwiGLU: Shazeer, 2020, arXiv:2002.05202) and levelled by their root mean square
(Zhang and Sennrich, 2019, arXiv:1910.07467), without which products of small numbers vanish and
nothing is learned for dozens of epochs. The widest layer is read as eight tokens of eight numbers,
which attend to one another with four heads (Vaswani et al., 2017). The loss is the mean squared
error of the reconstruction plus a focal loss (Lin et al., 2017, arXiv:1708.02002) of a linear head
on the latent features. AdamW with cosine warm restarts (Loshchilov and Hutter, 2017 and 2019). The
epoch that is kept is the best on rows set aside from the training rows; test rows have no part in
it.

Torch is loaded for fitting only: what comes out is plain arrays.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]
Weights = dict[str, Matrix]
OnEpoch = Callable[[int, float], None]

N_TOKENS = 8
N_HEADS = 4
WIDTHS = (64, 32, 16)
LATENT_SIZES = (4, 8, 12, 16)
METHOD = "autoencoder-swiglu-attention"
#: Keeps a row of zeros finite; ours.
LEVEL_FLOOR = 1e-6


class UnreadableEncoder(ValueError):
    """The bytes are no encoder of this module: damaged, or weights missing, extra or misshapen."""


class DivergedTraining(RuntimeError):
    """The loss is no longer a finite number."""


@dataclass(frozen=True)
class AutoencoderParams:
    """How the autoencoder is fitted.

    Attributes
    ----------
    n_latent : int
        One of ``LATENT_SIZES``.
    n_epochs, batch_rows : int
    learning_rate, weight_decay, least_learning_rate : float
        Of AdamW and its schedule.
    first_restart_epochs, restart_factor : int
        Length of the first cosine cycle, and what each next one is multiplied by.
    focal_weight, focal_gamma, focal_alpha : float
        Share of the focal loss, and its two parameters.
    validation_share : float
        Training rows set aside to choose the epoch.
    """

    n_latent: int = 12
    n_epochs: int = 100
    batch_rows: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    least_learning_rate: float = 1e-6
    first_restart_epochs: int = 10
    restart_factor: int = 2
    focal_weight: float = 1.0
    focal_gamma: float = 2.0
    focal_alpha: float = 0.25
    validation_share: float = 0.1


@dataclass(frozen=True, eq=False)
class Encoder:
    """The encoding half as arrays.

    Attributes
    ----------
    weights : dict of float32 arrays
        By layer name; matrices are [out, in] as torch lays them out.
    best_epoch : int
        The epoch kept, from 1.
    validation_loss : float
        Its loss on the rows set aside.
    """

    weights: Weights
    best_epoch: int
    validation_loss: float

    @property
    def n_features(self) -> int:
        """Columns a row must have."""
        return int(self.weights["gate0.weight"].shape[1])

    @property
    def n_latent(self) -> int:
        """Numbers that come out for a row."""
        return int(self.weights["latent.weight"].shape[0])

    def encode(self, scaled: Matrix | Floats) -> Matrix:
        """Return the latent features, float32 [n, n_latent].

        Computed in double precision. Trees split on these numbers: another way of computing them
        in double precision ends in the same float32, and so in the same leaf.

        Parameters
        ----------
        scaled : float array, shape [n, n_features]
            Robustly scaled and clipped, without NaN.
        """
        return self.precise(scaled.astype(np.float64)).astype(np.float32)

    def precise(self, scaled: Floats) -> Floats:
        """Return the latent features before they are rounded, float64 [n, n_latent]."""
        hidden = self._gated(scaled, 0)
        hidden = hidden + self._attended(hidden)
        hidden = self._gated(self._gated(hidden, 1), 2)
        return self._linear(hidden, "latent")

    def _linear(self, rows: Floats, name: str) -> Floats:
        out: Floats = rows @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        return out

    def _gated(self, rows: Floats, number: int) -> Floats:
        gate = self._linear(rows, f"gate{number}")
        silu = gate / (1 + np.exp(-np.clip(gate, -80, 80)))
        out: Floats = _levelled(silu * self._linear(rows, f"value{number}"))
        return out

    def _attended(self, rows: Floats) -> Floats:
        width = rows.shape[1] // N_TOKENS
        tokens = rows.reshape(-1, N_TOKENS, width)
        mixed = self._linear(tokens, "mix").reshape(-1, N_TOKENS, 3, N_HEADS, width // N_HEADS)
        query, key, value = mixed.transpose(2, 0, 3, 1, 4)
        scores = query @ key.swapaxes(-1, -2) / np.sqrt(width // N_HEADS)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        heads = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        joined = heads.transpose(0, 2, 1, 3).reshape(-1, N_TOKENS, width)
        return self._linear(joined, "out").reshape(rows.shape)

    def to_bytes(self) -> bytes:
        """Return the encoder as a safetensors file."""
        from safetensors.numpy import save  # noqa: PLC0415 - only training and explanation need it

        # One key: the file's bytes, and so its digest, follow from the encoder alone.
        facts = {"best_epoch": self.best_epoch, "validation_loss": self.validation_loss}
        weights = {name: np.ascontiguousarray(array) for name, array in self.weights.items()}
        return bytes(save(weights, {METHOD: json.dumps(facts)}))


def _levelled(rows: Any) -> Any:
    """Return rows of an array or tensor divided by their root mean square."""
    return rows / ((rows * rows).mean(-1, keepdims=True) + LEVEL_FLOOR) ** 0.5


def shapes(n_features: int, n_latent: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight of an encoder; a file must have exactly these."""
    token = WIDTHS[0] // N_TOKENS
    layers = {"mix": (3 * token, token), "out": (token, token), "latent": (n_latent, WIDTHS[-1])}
    for number, (wide, narrow) in enumerate(zip((n_features, *WIDTHS[:-1]), WIDTHS, strict=True)):
        layers[f"gate{number}"] = layers[f"value{number}"] = (narrow, wide)
    matrices: dict[str, tuple[int, ...]] = {f"{k}.weight": v for k, v in layers.items()}
    return matrices | {f"{name}.bias": (shape[0],) for name, shape in layers.items()}


def from_bytes(data: bytes, *, n_features: int, n_latent: int) -> Encoder:
    """Read an encoder strictly: every weight present, none extra, each of the right shape.

    Raises
    ------
    UnreadableEncoder
        If the file is damaged or is not this encoder.
    """
    from safetensors import SafetensorError  # noqa: PLC0415 - see to_bytes
    from safetensors.numpy import load  # noqa: PLC0415

    try:
        weights = {name: np.asarray(array) for name, array in load(data).items()}
    except (SafetensorError, KeyError, ValueError) as exc:
        raise UnreadableEncoder(f"not an encoder file: {exc}") from exc
    weights = checked(weights, n_features=n_features, n_latent=n_latent)
    facts = _facts(data)
    return Encoder(weights, int(facts["best_epoch"]), facts["validation_loss"])


def checked(weights: Weights, *, n_features: int, n_latent: int) -> Weights:
    """Return the weights when they are exactly those of an encoder.

    Raises
    ------
    UnreadableEncoder
        If one is missing, extra, misshapen or not finite.
    """
    wanted, seen = shapes(n_features, n_latent), {k: v.shape for k, v in weights.items()}
    if wanted != seen:
        differing = sorted(k for k in wanted.keys() | seen.keys() if wanted.get(k) != seen.get(k))
        raise UnreadableEncoder(f"weights that are missing, extra or misshapen: {differing}")
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise UnreadableEncoder("weights that are not finite numbers")
    return weights


def _facts(data: bytes) -> dict[str, float]:
    """Return the metadata of a safetensors file: JSON behind an eight-byte length."""
    size = int.from_bytes(data[:8], "little")
    facts = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    if METHOD not in facts:
        raise UnreadableEncoder(f"made by {sorted(facts)}, where {METHOD!r} is expected")
    return dict(json.loads(facts[METHOD]))


def fit_autoencoder(
    scaled: Matrix,
    labels: NDArray[np.bool_],
    params: AutoencoderParams,
    *,
    seed: int,
    on_epoch: OnEpoch | None = None,
) -> Encoder:
    """Fit an autoencoder and return its encoding half.

    Parameters
    ----------
    scaled : float32 array, shape [n, n_features]
        Training rows, robustly scaled and clipped, without NaN.
    labels : bool array, shape [n]
        For the focal loss.
    params : AutoencoderParams
    seed : int
        Same rows, parameters and seed give the same encoder on the same machine.
    on_epoch : callable, optional
        ``on_epoch(epoch from 1, validation loss)``; whatever it raises ends the fit.

    Raises
    ------
    DivergedTraining
        If the loss stops being finite in the first epoch already.
    """
    import torch  # noqa: PLC0415 - the web process must not load it

    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        network = _network(scaled.shape[1], params.n_latent)
        order = torch.randperm(len(scaled))
        n_validation = max(1, int(len(scaled) * params.validation_share))
        rows, target = torch.from_numpy(scaled)[order], torch.from_numpy(labels)[order].float()
        parts = (
            (rows[n_validation:], target[n_validation:]),
            (
                rows[:n_validation],
                target[:n_validation],
            ),
        )
        return _best_epoch(network, parts, params, on_epoch)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Fit on one thread: the layers are too small for two, and sums keep their order."""
    import torch  # noqa: PLC0415 - see fit_autoencoder

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


Part = tuple["torch.Tensor", "torch.Tensor"]


def _best_epoch(
    network: Any, parts: tuple[Part, Part], params: AutoencoderParams, on_epoch: OnEpoch | None
) -> Encoder:
    import torch  # noqa: PLC0415 - see fit_autoencoder

    (rows, target), validation = parts
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer,
        params.first_restart_epochs,
        params.restart_factor,
        params.least_learning_rate,
    )
    best: Encoder | None = None
    for epoch in range(1, params.n_epochs + 1):
        network.train()
        for batch in torch.split(torch.randperm(len(rows)), params.batch_rows):
            optimizer.zero_grad()
            loss = _loss(network, rows[batch], target[batch], params)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
            optimizer.step()
        schedule.step()
        network.eval()
        with torch.no_grad():
            measured = float(_loss(network, *validation, params))
        if np.isfinite(measured) and (best is None or measured < best.validation_loss):
            best = Encoder(_arrays(network), epoch, measured)
        if on_epoch is not None:
            on_epoch(epoch, measured)
    if best is None:
        raise DivergedTraining("no epoch had a finite validation loss: scale and clip the rows")
    return best


def _network(n_features: int, n_latent: int) -> Any:
    from torch import nn  # noqa: PLC0415 - see fit_autoencoder

    token = WIDTHS[0] // N_TOKENS
    wide = (n_features, *WIDTHS)
    layers: dict[str, nn.Module] = {
        "mix": nn.Linear(token, 3 * token),
        "out": nn.Linear(token, token),
        "latent": nn.Linear(WIDTHS[-1], n_latent),
        "head": nn.Linear(n_latent, 1),
        "back": nn.Linear(WIDTHS[0], n_features),
    }
    for number in range(len(WIDTHS)):
        layers[f"gate{number}"] = nn.Linear(wide[number], wide[number + 1])
        layers[f"value{number}"] = nn.Linear(wide[number], wide[number + 1])
    narrow = (n_latent, *reversed(WIDTHS))
    for number in range(len(WIDTHS)):
        layers[f"back_gate{number}"] = nn.Linear(narrow[number], narrow[number + 1])
        layers[f"back_value{number}"] = nn.Linear(narrow[number], narrow[number + 1])
    return nn.ModuleDict(layers)


def _loss(
    network: Any, rows: "torch.Tensor", target: "torch.Tensor", params: AutoencoderParams
) -> "torch.Tensor":
    from torch.nn import functional  # noqa: PLC0415 - see fit_autoencoder

    latent = _encode(network, rows)
    hidden = latent
    for number in range(len(WIDTHS)):
        gate = functional.silu(network[f"back_gate{number}"](hidden))
        hidden = _levelled(gate * network[f"back_value{number}"](hidden))
    reconstruction = functional.mse_loss(network["back"](hidden), rows)
    margin = network["head"](latent).squeeze(-1)
    entropy = functional.binary_cross_entropy_with_logits(margin, target, reduction="none")
    hit = (-entropy).exp()
    weight = params.focal_alpha * target + (1 - params.focal_alpha) * (1 - target)
    focal = (weight * (1 - hit) ** params.focal_gamma * entropy).mean()
    return reconstruction + params.focal_weight * focal


def _encode(network: Any, rows: "torch.Tensor") -> "torch.Tensor":
    from torch.nn import functional  # noqa: PLC0415 - see fit_autoencoder

    def gated(hidden: "torch.Tensor", number: int) -> "torch.Tensor":
        gate = functional.silu(network[f"gate{number}"](hidden))
        return _levelled(gate * network[f"value{number}"](hidden))  # type: ignore[no-any-return]

    hidden = gated(rows, 0)
    width = hidden.shape[1] // N_TOKENS
    tokens = hidden.view(-1, N_TOKENS, width)
    mixed = network["mix"](tokens).view(-1, N_TOKENS, 3, N_HEADS, width // N_HEADS)
    query, key, value = mixed.permute(2, 0, 3, 1, 4)
    heads = functional.scaled_dot_product_attention(query, key, value)
    joined = heads.transpose(1, 2).reshape(-1, N_TOKENS, width)
    hidden = hidden + network["out"](joined).view(hidden.shape)
    return network["latent"](gated(gated(hidden, 1), 2))  # type: ignore[no-any-return]


def _arrays(network: Any) -> Weights:
    """Return copies of the encoding half's weights."""
    names = shapes(network["gate0"].in_features, network["latent"].out_features)
    state = network.state_dict()
    return {name: state[name].numpy().copy() for name in names}

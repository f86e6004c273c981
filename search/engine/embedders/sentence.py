"""Sentence embedders from a local folder as sentence-transformers saves them; nothing is fetched.

With an ONNX export in the folder (``onnx/model.onnx`` or ``model.onnx``) onnxruntime and tokenizers
are enough, so that a web process loads no training framework. Without one the package
sentence-transformers is used, where it is installed.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.engine.embedders.contract import Embedder, Vectors, normalized
from search.engine.files import sha256
from search.engine.problems import EmbedderProblem

KIND = "sentence-transformers"
_MODELS = ("onnx/model.onnx", "model.onnx")
_TOKENIZER = "tokenizer.json"
_MAX_TOKENS = 512
_BATCH = 32

Hidden = NDArray[np.float32]
Pooling = Callable[[Hidden, NDArray[np.int64]], Hidden]


def load(parameters: Mapping[str, Any]) -> Embedder:
    """Return the embedder of a folder.

    Parameters
    ----------
    parameters : mapping
        ``folder``, and ``threads`` (1).

    Raises
    ------
    EmbedderProblem
        If the folder is no such model or a package is missing.
    """
    folder = Path(str(parameters.get("folder", "")))
    if not (folder / "modules.json").is_file():
        raise _unreadable(folder, "there is no modules.json, as sentence-transformers writes it")
    for name in _MODELS:
        if (folder / name).is_file():
            return OnnxSentenceEmbedder(folder, folder / name, int(parameters.get("threads", 1)))
    return PackageSentenceEmbedder(folder)


class OnnxSentenceEmbedder:
    """Runs the exported model; safe for threads."""

    def __init__(self, folder: Path, model: Path, threads: int = 1) -> None:
        try:
            from tokenizers import Tokenizer  # noqa: PLC0415 - optional
        except ImportError as exc:
            raise EmbedderProblem("package_missing", value=KIND, package="tokenizers") from exc
        import onnxruntime  # noqa: PLC0415 - a lexical index needs none of it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        try:
            self._pool = _pooling(folder)
            self._tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
            self._session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        except EmbedderProblem:
            raise
        except Exception as exc:  # both libraries raise bare exceptions
            raise _unreadable(folder, f"{type(exc).__name__}: {exc}"[:300]) from exc
        self._tokenizer.enable_truncation(_max_tokens(folder))
        self._tokenizer.enable_padding()
        self._inputs = {one.name for one in self._session.get_inputs()}
        self.name = folder.name
        self.version = _digest((model, folder / _TOKENIZER))
        self._dimensions = int(self._batch(["-"]).shape[1])

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors [n, dimensions]; empty texts give zeros."""
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        filled = [place for place, text in enumerate(texts) if text.strip()]
        # Texts of like length share a batch, since each is padded to the longest.
        filled.sort(key=lambda place: len(texts[place]))
        for start in range(0, len(filled), _BATCH):
            places = filled[start : start + _BATCH]
            vectors[places] = self._batch([texts[place] for place in places])
        return normalized(vectors)

    def _batch(self, texts: Sequence[str]) -> Hidden:
        encoded = self._tokenizer.encode_batch(list(texts))
        fields = {
            "input_ids": [one.ids for one in encoded],
            "attention_mask": [one.attention_mask for one in encoded],
            "token_type_ids": [one.type_ids for one in encoded],
        }
        arrays = {name: np.array(rows, dtype=np.int64) for name, rows in fields.items()}
        given = {name: array for name, array in arrays.items() if name in self._inputs}
        output = np.asarray(self._session.run(None, given)[0], dtype=np.float32)
        # Some exports pool by themselves.
        return output if output.ndim == 2 else self._pool(output, arrays["attention_mask"])


class PackageSentenceEmbedder:
    """Runs the model through the package; for folders without an ONNX export."""

    def __init__(self, folder: Path) -> None:
        try:
            from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - optional
        except ImportError as exc:
            raise EmbedderProblem(
                "package_missing",
                value=f"{folder.name} (it has no onnx/model.onnx)",
                package="sentence-transformers",
            ) from exc
        try:
            self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
            self._dimensions = len(self._model.encode(["-"], show_progress_bar=False)[0])
        except Exception as exc:  # it raises bare exceptions
            raise _unreadable(folder, f"{type(exc).__name__}: {exc}"[:300]) from exc
        self.name = folder.name
        weights = sorted((*folder.rglob("*.safetensors"), *folder.rglob("tokenizer.json")))
        self.version = _digest(weights)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors [n, dimensions]; empty texts give zeros."""
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        filled = [place for place, text in enumerate(texts) if text.strip()]
        if filled:
            vectors[filled] = self._model.encode(
                [texts[place] for place in filled],
                batch_size=_BATCH,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        return normalized(vectors)


def _pooling(folder: Path) -> Pooling:
    """Return how the folder's modules turn token vectors into one."""
    modules = json.loads((folder / "modules.json").read_bytes())
    chosen: Pooling = _mean
    for module in modules:
        kind = str(module["type"]).rpartition(".")[2]
        if kind == "Pooling":
            chosen = _pooling_mode(folder, folder / module["path"] / "config.json")
        elif kind not in ("Transformer", "Normalize"):
            raise _unreadable(folder, f"the module {kind} is not known to the ONNX route")
    return chosen


def _pooling_mode(folder: Path, path: Path) -> Pooling:
    config = json.loads(path.read_bytes())
    modes = {"mean_tokens": _mean, "cls_token": _first, "max_tokens": _max}
    # Newer versions name the mode itself.
    wanted = {f"{config['pooling_mode']}_tokens"} if "pooling_mode" in config else set()
    wanted |= {
        name.removeprefix("pooling_mode_")
        for name, is_on in config.items()
        if name.startswith("pooling_mode_") and is_on is True
    }
    wanted = {"cls_token" if name == "cls_tokens" else name for name in wanted}
    if len(wanted) != 1 or not wanted <= set(modes):
        raise _unreadable(folder, f"the pooling {', '.join(sorted(wanted))} is not known")
    return modes[wanted.pop()]


def _mean(hidden: Hidden, mask: NDArray[np.int64]) -> Hidden:
    weights = mask[:, :, np.newaxis].astype(np.float32)
    pooled: Hidden = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
    return pooled


def _first(hidden: Hidden, mask: NDArray[np.int64]) -> Hidden:
    del mask
    return hidden[:, 0]


def _max(hidden: Hidden, mask: NDArray[np.int64]) -> Hidden:
    pooled: Hidden = np.where(mask[:, :, np.newaxis] > 0, hidden, -np.inf).max(axis=1)
    return pooled


def _max_tokens(folder: Path) -> int:
    path = folder / "sentence_bert_config.json"
    if not path.is_file():
        return _MAX_TOKENS
    return int(json.loads(path.read_bytes()).get("max_seq_length") or _MAX_TOKENS)


def _digest(paths: Sequence[Path]) -> str:
    return hashlib.sha256("".join(sha256(path) for path in paths).encode()).hexdigest()[:16]


def _unreadable(folder: Path, reason: str) -> EmbedderProblem:
    return EmbedderProblem("model_unreadable", value=folder.name, reason=reason.rstrip("."))

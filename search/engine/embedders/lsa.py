"""The default embedder: latent semantic analysis of the collection itself.

A sample of passages becomes a matrix of BM25 weights, whose leading right singular vectors project
any text into 256 dimensions (Deerwester et al., 1990, with the weights of Robertson and Zaragoza,
2009). It needs no weights from outside, learns the plant's own words, and encodes a query in well
under a millisecond.

Stored as three arrays: sorted token numbers, their weights, and the projection. The projection is
read by mmap, so that workers share it.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from search.engine.embedders.contract import Vectors, normalized, unit
from search.engine.files import mapped
from search.engine.problems import BuildProblem
from search.engine.svd import right_singular_vectors
from search.engine.tokenids import TokenIds, TokenNumbers
from search.engine.tokenizers import Tokenizer

K1 = 1.2
B = 0.75
DIMENSIONS = 256
#: The most frequent tokens of the sample are kept; rarer ones occur too seldom to be placed.
MAX_VOCABULARY = 1 << 16
_FILES = {
    "numbers": "lsa-tokens.npy",
    "weights": "lsa-weights.npy",
    "projection": "lsa-projection.npy",
}


@dataclass(frozen=True)
class Counts:
    """Token counts of some texts, as the rows of a sparse matrix.

    Attributes
    ----------
    rows, tokens, counts : int64, uint32, float32 [n_entries]
        Ordered by row and token.
    lengths : float32 [n_texts]
        Tokens of each text.
    """

    rows: NDArray[np.int64]
    tokens: TokenIds
    counts: NDArray[np.float32]
    lengths: NDArray[np.float32]

    @classmethod
    def of(cls, texts: Sequence[TokenIds]) -> Self:
        """Count the tokens of some texts."""
        if len(texts) == 1:
            return cls._of_one(texts[0])
        lengths = np.fromiter((len(one) for one in texts), dtype=np.int64, count=len(texts))
        rows = np.repeat(np.arange(len(texts), dtype=np.uint64), lengths)
        tokens = np.concatenate(texts) if len(texts) else np.empty(0, np.uint32)
        keys, counts = np.unique((rows << np.uint64(32)) | tokens, return_counts=True)
        return cls(
            (keys >> np.uint64(32)).astype(np.int64),
            (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32),
            counts.astype(np.float32),
            lengths.astype(np.float32),
        )

    @classmethod
    def _of_one(cls, text: TokenIds) -> Self:
        """Count the tokens of a short text, as queries are, without sorting."""
        seen = Counter(text.tolist())
        return cls(
            np.zeros(len(seen), dtype=np.int64),
            np.array(list(seen), dtype=np.uint32),
            np.array(list(seen.values()), dtype=np.float32),
            np.array([len(text)], dtype=np.float32),
        )


class LsaEmbedder:
    """Projects texts as the sample of a collection taught it."""

    name = "lsa"

    def __init__(
        self,
        numbers: TokenIds,
        weights: NDArray[np.float32],
        projection: Vectors,
        mean_length: float,
        tokenizer: Tokenizer,
        version: str = "",
    ) -> None:
        self._version = version
        self._numbers = numbers
        self._weights = weights
        self._projection = projection
        self._mean_length = mean_length
        self._tokenizer = tokenizer

    @classmethod
    def fit(
        cls,
        sample: Sequence[TokenIds],
        tokenizer: Tokenizer,
        generator: np.random.Generator,
        *,
        dimensions: int = DIMENSIONS,
    ) -> Self:
        """Learn from the token numbers of a sample of texts.

        Parameters
        ----------
        dimensions : int
            Of the vectors. A sample of lower rank leaves the rest zero.

        Raises
        ------
        BuildProblem
            If the sample holds no token.
        """
        counts = Counts.of(sample)
        if not len(counts.tokens):
            raise BuildProblem("cannot_train")
        numbers, frequencies = _vocabulary(counts.tokens)
        weights = np.log1p((len(sample) - frequencies + 0.5) / (frequencies + 0.5))
        mean_length = float(counts.lengths.mean())
        learner = cls(
            numbers,
            weights.astype(np.float32),
            np.zeros((0, 0), np.float32),
            mean_length,
            tokenizer,
        )
        matrix = learner._matrix(counts)
        rank = min(dimensions, *matrix.shape)
        vectors, _ = right_singular_vectors(matrix, rank, generator)
        projection = np.zeros((len(numbers), dimensions), dtype=np.float32)
        projection[:, :rank] = vectors
        return cls(numbers, learner._weights, projection, mean_length, tokenizer)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._projection.shape[1])

    @property
    def version(self) -> str:
        """Digest of what was learnt."""
        if not self._version:
            self._version = self._digest()
        return self._version

    def _digest(self) -> str:
        digest = hashlib.sha256(repr((self._tokenizer.name, self._mean_length)).encode())
        for array in (self._numbers, self._weights, self._projection):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    @property
    def mean_length(self) -> float:
        """Mean number of tokens of a text of the sample."""
        return self._mean_length

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors [n, dimensions]; a text of unknown words gives zeros."""
        numbers = TokenNumbers()
        return self.encode_tokens([numbers.of(self._tokenizer.tokens(text)) for text in texts])

    def encode_tokens(self, texts: Sequence[TokenIds]) -> Vectors:
        """Return the vectors of texts given as token numbers."""
        counts = Counts.of(texts)
        if len(texts) == 1:
            columns, values, _ = self._weighted(counts)
            return unit(values @ self._projection[columns])[np.newaxis, :]
        return normalized(self._matrix(counts) @ self._projection)

    def save(self, folder: Path) -> None:
        """Write the arrays into a folder."""
        np.save(folder / _FILES["numbers"], self._numbers)
        np.save(folder / _FILES["weights"], self._weights)
        np.save(folder / _FILES["projection"], self._projection)

    @classmethod
    def load(cls, folder: Path, tokenizer: Tokenizer, mean_length: float, version: str) -> Self:
        """Map the arrays of a folder, whose version whoever verified the folder knows."""
        numbers, weights, projection = (mapped(folder / name) for name in _FILES.values())
        return cls(numbers, weights, projection, mean_length, tokenizer, version)

    def _weighted(
        self, counts: Counts
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """Return column, BM25 weight and row of every count whose token is known."""
        places = np.searchsorted(self._numbers, counts.tokens)
        places = np.minimum(places, len(self._numbers) - 1)
        known = self._numbers[places] == counts.tokens
        columns, rows, tf = places[known], counts.rows[known], counts.counts[known]
        relative = counts.lengths[rows] / np.float32(self._mean_length)
        saturated = tf * (K1 + 1) / (tf + K1 * (1 - B + B * relative))
        return columns, (saturated * self._weights[columns]).astype(np.float32), rows

    def _matrix(self, counts: Counts) -> "csr_array":  # type: ignore[name-defined]  # noqa: F821
        """Return the weights as a sparse matrix of unit rows."""
        from scipy.sparse import csr_array  # noqa: PLC0415 - a query needs none of it

        columns, values, rows = self._weighted(counts)
        n_texts = len(counts.lengths)
        lengths = np.sqrt(
            np.bincount(rows, weights=values.astype(np.float64) ** 2, minlength=n_texts)
        )
        values = (values / lengths[rows]).astype(np.float32)
        starts = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=n_texts))))
        return csr_array((values, columns, starts), shape=(n_texts, len(self._numbers)))


def _vocabulary(tokens: TokenIds) -> tuple[TokenIds, NDArray[np.float64]]:
    """Return the kept token numbers in ascending order and in how many texts each occurs."""
    numbers, frequencies = np.unique(tokens, return_counts=True)
    if len(numbers) > MAX_VOCABULARY:
        most = np.sort(np.argsort(-frequencies, kind="stable")[:MAX_VOCABULARY])
        numbers, frequencies = numbers[most], frequencies[most]
    return numbers, frequencies.astype(np.float64)

"""Truncated singular value decomposition by random projection.

Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM Review 53 (2011), algorithms
4.4 and 5.1.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: More columns than asked for and rounds of power iteration: the values of scikit-learn's
#: ``randomized_svd`` for decaying spectra.
OVERSAMPLING = 10
N_ITERATIONS = 3

Matrix = NDArray[np.float32]


def right_singular_vectors(
    matrix: Any,
    rank: int,
    generator: np.random.Generator,
    *,
    n_iterations: int = N_ITERATIONS,
) -> tuple[Matrix, NDArray[np.float32]]:
    """Return the leading right singular vectors and singular values of a sparse matrix.

    Parameters
    ----------
    matrix : scipy sparse array [n_rows, n_columns], float32
    rank : int
        At most ``min(n_rows, n_columns)``.
    generator : Generator
        Draws the projection.

    Returns
    -------
    vectors : float32 [n_columns, rank]
        Each with its largest component positive, so that equal input gives equal output.
    values : float32 [rank]
        In descending order.
    """
    width = min(rank + OVERSAMPLING, *matrix.shape)
    transposed = matrix.T.tocsr()
    drawn = generator.standard_normal((matrix.shape[1], width), dtype=np.float32)
    basis = _orthogonal(matrix @ drawn)
    for _ in range(n_iterations):
        basis = _orthogonal(matrix @ _orthogonal(transposed @ basis))
    small = transposed @ basis  # [n_columns, width], the transpose of basis.T @ matrix
    left, values, _ = np.linalg.svd(small, full_matrices=False)
    vectors = left[:, :rank]
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return (vectors * signs).astype(np.float32), values[:rank].astype(np.float32)


def _orthogonal(columns: Matrix) -> Matrix:
    basis: Matrix = np.linalg.qr(columns)[0]
    return basis

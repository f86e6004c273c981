"""Hybrid cells: a vector leg and a lexical leg fused as the portal's own search fuses them."""

from pathlib import Path
from typing import Any

import numpy as np

from search.engine import fusion
from search.engine.tokenizers import tokenizer
from search.lab.engine import kept
from search.lab.engine.contract import Check, Rows, Scores
from search.lab.engine.corpora import TOKENIZER, Corpus, bucket_limit
from search.lab.engine.lexical import leg
from search.lab.engine.matrix import Cell

#: Rows that each leg hands to the fusion.
N_CANDIDATES = 100
VECTOR_WEIGHT = 0.2
_KEPT = 10

Found = tuple[Rows, Scores]


def fused(lexical: Found, vector: Found, k: int) -> Rows:
    """Return the k best rows by weighted min-max of both legs."""
    rows = np.union1d(lexical[0], vector[0])
    scores = fusion.minmax(_aligned(rows, lexical), _aligned(rows, vector), VECTOR_WEIGHT)
    return rows[np.argsort(-scores, kind="stable")[:k]]


def expected(cell: Cell, corpus: Corpus, cache: Path, nearest: Rows, check: Check) -> Rows:
    """Return what the fusion gives when its vector leg is exact, kept under the corpus' digest.

    Parameters
    ----------
    cache : Path
        Holds the exact answers, and the lexical leg of the corpus in the folder that `leg_folder`
        names.
    nearest : int64 [n_questions, N_CANDIDATES]
        Exact vector neighbours.
    """
    return kept.array(
        place(cell, corpus, cache), lambda: _expected(cell, corpus, cache, nearest, check)
    )


def place(cell: Cell, corpus: Corpus, cache: Path) -> Path:
    """Return where the exact answers of a hybrid cell are kept."""
    below = None if cell.filter_share is None else bucket_limit(cell.filter_share)
    own = leg(cell.lexical).version()
    return cache / f"fused-{corpus.digest[:16]}-{cell.lexical}-{own}-{below or 'all'}.npy"


def _expected(cell: Cell, corpus: Corpus, cache: Path, nearest: Rows, check: Check) -> Rows:
    below = None if cell.filter_share is None else bucket_limit(cell.filter_share)
    cut = tokenizer(TOKENIZER)
    index = leg(cell.lexical).open(leg_folder(cache, corpus, cell.lexical))
    found = np.full((len(nearest), _KEPT), -1, dtype=np.int64)
    try:
        for at, question in enumerate(corpus.texts.questions):
            check()
            own = nearest[at][nearest[at] >= 0]
            vector = own, (corpus.vectors[own] @ corpus.queries[at]).astype(np.float64)
            lexical = index.search(cut.tokens(question), N_CANDIDATES, below)
            best = fused(lexical, vector, _KEPT)
            found[at, : len(best)] = best
    finally:
        index.close()
    return found


def leg_folder(cache: Path, corpus: Corpus, name: str) -> Path:
    """Return where the lexical leg of a corpus lies: all lengths of a scale share it.

    Another version of its library has another folder.
    """
    return cache / f"leg-{corpus.texts.digest[:16]}-{name}-{leg(name).version()}"


def leg_facts(corpus: Corpus, name: str) -> dict[str, Any]:
    """Return what the manifest of a lexical leg says of what it was made from."""
    return {"texts": corpus.texts.digest, "leg": name, "version": leg(name).version()}


def _aligned(rows: Rows, found: Found) -> Scores:
    scores = np.full(len(rows), np.nan)
    scores[np.searchsorted(rows, found[0])] = found[1]
    return scores

"""How well the engine answers judged questions: KorQuAD and Cranfield, from a folder given.

    .venv/bin/python -m benchmarks.search.quality FOLDER [--json FILE]

Bounds are 95 % bootstrap intervals over questions. Without spaces: the same questions of KorQuAD
with all spaces removed, in the first two ways asked for.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search.judged import Collection, cranfield, korquad
from search.engine.building import build
from search.engine.index import Index, open_index
from search.engine.metrics import ndcg
from search.engine.options import BuildOptions, SearchOptions
from search.engine.tokenizers import BIGRAM, NAMES

WAYS: Mapping[str, tuple[str, SearchOptions]] = {
    "lexical": ("lexical", SearchOptions()),
    "hybrid": ("hybrid", SearchOptions()),
    "hybrid, equal RRF": ("hybrid", SearchOptions(fusion="rrf", vector_weight=0.5)),
    "vector": ("vector", SearchOptions()),
}


def judged(
    index: Index, questions: Sequence[tuple[str, Mapping[str, float]]], way: str
) -> dict[str, Any]:
    """Return mean nDCG@10 of one way to search, with its interval."""
    mode, options = WAYS[way]
    each = [
        ndcg([hit.passage.id for hit in index.search(text, mode, 10, options=options).hits], gains)
        for text, gains in questions
    ]
    generator = np.random.default_rng(0)
    draws = generator.choice(each, size=(1_000, len(each))).mean(axis=1)
    low, high = np.percentile(draws, (2.5, 97.5))
    return {"mean": float(np.mean(each)), "low": float(low), "high": float(high), "n": len(each)}


def measured(collection: Collection, tokenizer: str, ways: Sequence[str]) -> dict[str, Any]:
    """Return the figures of a collection under one tokenizer."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "index"
        manifest = build(collection.passages, folder, BuildOptions(tokenizer=tokenizer))
        index = open_index(folder)
        figures = {way: judged(index, collection.questions, way) for way in ways}
        if collection.name == "KorQuAD":
            bare = [(text.replace(" ", ""), gains) for text, gains in collection.questions]
            figures |= {f"{way}, no spaces": judged(index, bare, way) for way in ways[:2]}
        index.close()
    return {"passages": manifest.n_passages, "build_cpu_s": manifest.cpu_s, "ndcg_at_10": figures}


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="Holds korquad1 and cranfield.")
    parser.add_argument("--tokenizers", nargs="+", choices=NAMES, default=[BIGRAM])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--only", choices=("korquad", "cranfield"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found: dict[str, Any] = {"load": os.getloadavg()}
    readers = {"korquad": korquad, "cranfield": cranfield}
    for collection in (
        read(given.folder) for name, read in readers.items() if given.only in (None, name)
    ):
        for tokenizer in given.tokenizers:
            one = measured(collection, tokenizer, given.ways)
            found[f"{collection.name}, {tokenizer}"] = one
            sys.stdout.write(f"\n{collection.name}, {tokenizer}, {one['passages']:,} passages\n\n")
            sys.stdout.write("| way | nDCG@10 | 95 % | n |\n|---|---:|---|---:|\n")
            for way, figure in one["ndcg_at_10"].items():
                bounds = f"{figure['low']:.3f} to {figure['high']:.3f}"
                sys.stdout.write(f"| {way} | {figure['mean']:.4f} | {bounds} | {figure['n']:,} |\n")
            sys.stdout.flush()
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""Ask hnswlib or faiss without a line of the portal: what the lab's figures are held against.

    python -m benchmarks.lab.alone build hnswlib FOLDER '{"m": 32, "ef_construction": 200}'
    python -m benchmarks.lab.alone ask hnswlib FOLDER '{"ef_search": 100}'

The folder holds ``vectors.npy`` and ``queries.npy``, float32 and of length 1. Asking writes the
milliseconds of each question to ``wall.npy`` and its ten rows to ``rows.npy``.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import hnswlib
import numpy as np

K, WARM_UP = 10, 50
Search = Callable[[Any], Any]


def build(engine: str, folder: Path, parameters: dict[str, Any]) -> None:
    """Build an index in one thread and save it as the library does."""
    vectors = np.load(folder / "vectors.npy")
    if engine == "hnswlib":
        graph = hnswlib.Index(space="ip", dim=vectors.shape[1])
        breadth, m = parameters["ef_construction"], parameters["m"]
        graph.init_index(len(vectors), ef_construction=breadth, M=m, random_seed=1)
        graph.set_num_threads(1)
        graph.add_items(vectors, np.arange(len(vectors)))
        graph.save_index(str(folder / "index"))
        return
    faiss.omp_set_num_threads(1)
    kind, metric = faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexHNSWSQ(vectors.shape[1], kind, parameters["m"], metric)
    index.hnsw.efConstruction = parameters["ef_construction"]
    index.train(vectors)
    index.add(vectors)
    faiss.write_index(index, str(folder / "index"))


def by_hnswlib(folder: Path, parameters: dict[str, Any]) -> Search:
    """Return a search of a saved graph."""
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    graph = hnswlib.Index(space="ip", dim=vectors.shape[1])
    graph.load_index(str(folder / "index"), max_elements=len(vectors))
    graph.set_num_threads(1)
    graph.set_ef(parameters["ef_search"])
    return lambda query: graph.knn_query(query, k=K)[0][0]


def by_faiss(folder: Path, parameters: dict[str, Any]) -> Search:
    """Return a search of a saved graph of codes, whose candidates floats rank."""
    faiss.omp_set_num_threads(1)
    vectors = np.load(folder / "vectors.npy")
    index = faiss.read_index(str(folder / "index"))
    count = parameters["rerank"]
    index.hnsw.efSearch = max(parameters["ef_search"], count)

    def search(query: Any) -> Any:
        rows = index.search(query[np.newaxis, :], count)[1][0]
        return rows[np.argsort(-(vectors[rows] @ query))[:K]]

    return search


def ask(engine: str, folder: Path, parameters: dict[str, Any]) -> None:
    """Ask every question once, warm-up apart."""
    queries = np.load(folder / "queries.npy")
    search = (by_hnswlib if engine == "hnswlib" else by_faiss)(folder, parameters)
    for query in queries[:WARM_UP]:
        search(query)
    wall, rows = np.zeros(len(queries)), np.zeros((len(queries), K), dtype=np.int64)
    for place, query in enumerate(queries):
        started = time.perf_counter_ns()
        rows[place] = search(query)
        wall[place] = (time.perf_counter_ns() - started) / 1e6
    np.save(folder / "wall.npy", wall)
    np.save(folder / "rows.npy", rows)


if __name__ == "__main__":
    _action, _engine, _folder, _parameters = sys.argv[1:]
    {"build": build, "ask": ask}[_action](_engine, Path(_folder), json.loads(_parameters))

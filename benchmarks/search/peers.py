"""The engines that search is compared with, in a process and an environment of their own.

Started by `benchmarks.search.engine`; knows nothing of the product. Reads from a folder the tokens
and vectors that the product made, so that all engines index the same words, and answers one line of
JSON for each line: which peer, which queries.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bm25s
import duckdb
import duckdb_extension_fts
import duckdb_extension_vss
import numpy as np
import psutil
import psycopg
import pyarrow as pa
import tantivy

K = 10
Answer = tuple[list[int], float]


class Timed:
    """A peer whose work is done in this process."""

    def cpu_s(self) -> float:
        return time.process_time()


class Tantivy(Timed):
    """tantivy alone, over the same tokens."""

    def __init__(self, folder: Path, bodies: list[str], vectors: np.ndarray, url: str) -> None:
        del vectors, url
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("body", tokenizer_name="plain", index_option="freq")
        builder.add_unsigned_field("row", fast=True)
        self._schema = builder.build()
        (folder / "tantivy").mkdir()
        index = tantivy.Index(self._schema, path=str(folder / "tantivy"))
        analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        index.register_tokenizer("plain", analyzer)
        writer = index.writer(256 << 20, 1)
        for row, body in enumerate(bodies):
            document = tantivy.Document()
            document.add_text("body", body)
            document.add_unsigned("row", row)
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        self._searcher = index.searcher()

    def search(self, tokens: list[str], vector: np.ndarray) -> list[int]:
        del vector
        terms = [
            (tantivy.Occur.Should, tantivy.Query.term_query(self._schema, "body", one, "freq"))
            for one in tokens
        ]
        hits = self._searcher.search(tantivy.Query.boolean_query(terms), K, count=False).hits
        return list(self._searcher.fast_field_values("row", [address for _, address in hits]))


class Bm25s(Timed):
    """bm25s: a sparse matrix of scores held in memory."""

    def __init__(self, folder: Path, bodies: list[str], vectors: np.ndarray, url: str) -> None:
        del folder, vectors, url
        self._index = bm25s.BM25(k1=1.2, b=0.75)
        self._index.index([body.split(" ") for body in bodies], show_progress=False)

    def search(self, tokens: list[str], vector: np.ndarray) -> list[int]:
        del vector
        rows, _ = self._index.retrieve([tokens], k=K, show_progress=False)
        return [int(row) for row in rows[0]]


class DuckDB(Timed):
    """DuckDB with its extensions fts and vss: one query of each."""

    def __init__(self, folder: Path, bodies: list[str], vectors: np.ndarray, url: str) -> None:
        del url
        self._connection = duckdb.connect(
            str(folder / "peer.duckdb"),
            config={"allow_unsigned_extensions": True, "threads": 2},
        )
        for module, name in ((duckdb_extension_fts, "fts"), (duckdb_extension_vss, "vss")):
            (path,) = Path(module.__file__).parent.rglob(f"{name}.duckdb_extension")
            self._connection.execute(f"LOAD '{path}'")
        self._connection.execute("SET hnsw_enable_experimental_persistence = true")
        width = vectors.shape[1]
        rows = pa.array(np.arange(len(bodies)))
        cells = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), width)
        self._load("docs", "row BIGINT, body VARCHAR", pa.table({"row": rows, "body": bodies}))
        self._load("vecs", f"row BIGINT, vec FLOAT[{width}]", pa.table({"row": rows, "vec": cells}))
        self._connection.execute(
            "PRAGMA create_fts_index('docs', 'row', 'body', stemmer = 'none', stopwords = 'none',"
            " ignore = '( )+', strip_accents = 0, lower = 0)"
        )
        self._connection.execute("CREATE INDEX near ON vecs USING HNSW (vec) WITH (metric='ip')")
        self._width = width

    def _load(self, name: str, columns: str, content: pa.Table) -> None:
        self._connection.execute(f"CREATE TABLE {name} ({columns})")
        self._connection.register("content", content)
        self._connection.execute(f"INSERT INTO {name} SELECT * FROM content")  # noqa: S608 - ours
        self._connection.unregister("content")

    def search(self, tokens: list[str], vector: np.ndarray) -> list[int]:
        self._connection.execute(
            "SELECT row FROM (SELECT row, fts_main_docs.match_bm25(row, ?) AS score FROM docs)"  # noqa: S608 - ours
            f" WHERE score IS NOT NULL ORDER BY score DESC LIMIT {K}",
            [" ".join(tokens)],
        ).fetchall()
        near = f"array_negative_inner_product(vec, ?::FLOAT[{self._width}])"
        found = self._connection.execute(
            f"SELECT row FROM vecs ORDER BY {near} LIMIT {K}",  # noqa: S608 - ours
            [vector.tolist()],
        ).fetchall()
        return [int(row) for (row,) in found]


class Postgres:
    """Postgres full text with a GIN index, over the same tokens."""

    def __init__(self, folder: Path, bodies: list[str], vectors: np.ndarray, url: str) -> None:
        del folder, vectors
        self._connection = psycopg.connect(url, autocommit=True)
        with self._connection.cursor() as cursor:
            cursor.execute("CREATE TABLE docs (row bigint, words tsvector)")
            with cursor.copy("COPY docs FROM STDIN") as copy:
                for row, body in enumerate(bodies):
                    copy.write_row((row, _tsvector(body)))
            cursor.execute("CREATE INDEX ON docs USING gin (words)")
            cursor.execute("ANALYZE docs")
            found = cursor.execute("SELECT pg_backend_pid()").fetchone()
        self._backend = psutil.Process(found[0])

    def cpu_s(self) -> float:
        times = self._backend.cpu_times()
        return time.process_time() + times.user + times.system

    def search(self, tokens: list[str], vector: np.ndarray) -> list[int]:
        del vector
        query = " | ".join(_quoted(one) for one in tokens)
        found = self._connection.execute(
            "SELECT row FROM docs, to_tsquery('simple', %s) AS query WHERE words @@ query"  # noqa: S608 - ours
            f" ORDER BY ts_rank(words, query, 1) DESC LIMIT {K}",
            [query],
        ).fetchall()
        return [int(row) for (row,) in found]


def _tsvector(body: str) -> str:
    places: dict[str, list[int]] = {}
    for place, token in enumerate(body.split(" "), start=1):
        places.setdefault(token, []).append(min(place, 16_383))
    return " ".join(
        f"{_quoted(token)}:{','.join(map(str, own[:255]))}" for token, own in places.items()
    )


def _quoted(token: str) -> str:
    return "'" + token.replace("\\", "\\\\").replace("'", "''") + "'"


PEERS: dict[str, Callable[..., Any]] = {
    "tantivy": Tantivy,
    "bm25s": Bm25s,
    "DuckDB fts + vss": DuckDB,
    "Postgres full text": Postgres,
}


def main() -> None:
    """Index everything, then answer until the input ends."""
    folder, url = Path(sys.argv[1]), sys.argv[2]
    bodies = (folder / "tokens.txt").read_text("utf-8").split("\n")
    vectors = np.load(folder / "vectors.npy")
    queries = json.loads((folder / "queries.json").read_text("utf-8"))
    asked = np.load(folder / "query-vectors.npy")
    process = psutil.Process()
    peers: dict[str, Any] = {}
    for name, kind in PEERS.items():
        before, started = process.memory_info().rss, time.process_time()
        wall = time.perf_counter()
        peers[name] = kind(folder, bodies, vectors, url)
        _tell({
            "peer": name,
            "build_cpu_s": time.process_time() - started,
            "build_s": time.perf_counter() - wall,
            "grown_mb": (process.memory_info().rss - before) / 1e6,
        })  # fmt: skip
    for line in sys.stdin:
        order = json.loads(line)
        peer = peers[order["peer"]]
        found, wall_ms = [], []
        cpu = peer.cpu_s()
        for number in order["queries"]:
            started = time.perf_counter()
            found.append(peer.search(queries[number], asked[number]))
            wall_ms.append((time.perf_counter() - started) * 1000)
        cpu_ms = (peer.cpu_s() - cpu) * 1000 / len(found)
        _tell({"cpu_ms": cpu_ms, "wall_ms": wall_ms, "found": found})


def _tell(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Building an index: passages in, a folder of files out.

One pass over the passages, which may be any iterable: words go to the lexical index and, as
numbers, to a spill file; the passages themselves to disk and to DuckDB. Only then are the embedder,
the vectors and the graph made, from disk. Memory is bounded by a batch, the sample and one shard of
the graph, whatever the size of the collection.

The manifest is written last. Whatever dies before leaves a folder that no one opens.
"""

import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.lib import format as npy

from search.engine import validation
from search.engine.embedders.contract import Embedder, Vectors, normalized
from search.engine.embedders.factory import LSA, pretrained
from search.engine.embedders.lsa import DIMENSIONS, LsaEmbedder
from search.engine.filters import tags_of
from search.engine.lexical import LexicalWriter, tag
from search.engine.manifest import Manifest, inventory
from search.engine.memory import MemoryGuard
from search.engine.options import BuildOptions
from search.engine.passages import Passage, checked
from search.engine.problems import BuildProblem, shown
from search.engine.queries import MOST, MOST_COSTLY
from search.engine.queries import write as write_queries
from search.engine.records import Records, RecordWriter
from search.engine.snapshot import SnapshotWriter
from search.engine.spill import SpilledTokens, TokenSpill
from search.engine.tokenids import TokenNumbers
from search.engine.tokenizers import fingerprint, tokenizer
from search.engine.vectors import EXACT, FLOATS, HNSW, build_shard, shard_name

Progress: TypeAlias = Callable[[float, str, str], None]
Check: TypeAlias = Callable[[], None]

#: Shares of the whole that the phases take, measured with 100,000 passages.
PHASES = {
    "reading": (0.0, 0.35),
    "embedder": (0.35, 0.5),
    "vectors": (0.5, 0.6),
    "graph": (0.6, 0.92),
    "validation": (0.92, 0.97),
    "manifest": (0.97, 1.0),
}
_SPILL = "spill"
_PACKAGES = ("tantivy", "faiss-cpu", "duckdb", "numpy", "snowballstemmer")


def build(
    passages: Iterable[Passage],
    folder: Path,
    options: BuildOptions | None = None,
    on_progress: Progress | None = None,
    check: Check | None = None,
    *,
    n_expected: int | None = None,
    credentials: Mapping[str, str] | None = None,
    guard: MemoryGuard | None = None,
    queries: Sequence[str] = (),
) -> Manifest:
    """Build an index in a folder.

    Parameters
    ----------
    passages : iterable of Passage
        Read once, in batches.
    folder : Path
        Absent or empty; the index when this returns, and worthless when it does not.
    options : BuildOptions or None
    on_progress : callable or None
        Told fraction, phase and message after every batch.
    check : callable or None
        Called after every batch; what it raises ends the build.
    n_expected : int or None
        Number of passages, if known, for the progress.
    credentials : mapping or None
        What an embedder must know that no manifest may hold.
    guard : MemoryGuard or None
        Makes the build wait while memory is short.
    queries : sequence of str
        Asked before, oldest first: their vectors become the baseline of a watch on queries.

    Returns
    -------
    Manifest
        As written to the folder.

    Raises
    ------
    BuildProblem
        If there is nothing to index, a passage is wrong or the checks fail.
    EmbedderProblem, MemoryShort
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BuildProblem("folder_not_empty", value=shown(folder.name))
    build = _Build(folder, options or BuildOptions(), on_progress, check, guard or MemoryGuard())
    return build.run(passages, n_expected, credentials or {}, queries)


#: What a build tells after the machine was short of memory.
WAITED = "The build waited for memory."


class _Build:
    def __init__(
        self,
        folder: Path,
        options: BuildOptions,
        on_progress: Progress | None,
        check: Check | None,
        guard: MemoryGuard,
    ) -> None:
        self._folder = folder
        self._options = options
        self._on_progress = on_progress
        self._check = check or _nothing
        self._guard = guard
        self._generator = np.random.default_rng(options.seed)
        self._tokenizer = tokenizer(options.tokenizer)
        self._timings_s: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def run(
        self,
        passages: Iterable[Passage],
        n_expected: int | None,
        credentials: Mapping[str, str],
        queries: Sequence[str],
    ) -> Manifest:
        cpu = time.process_time()
        spec = self._options.embedder
        ready = None if spec is None or spec.kind == LSA else pretrained(spec, credentials)
        with self._phase("reading"):
            lexical, fields = self._read(passages, n_expected)
        embedder: Embedder | None = ready
        if spec is not None and spec.kind == LSA:
            with self._phase("embedder"):
                embedder = self._learn(dict(spec.parameters))
        vectors = None
        n_queries = 0
        if embedder is not None:
            with self._phase("vectors"):
                self._encode(embedder)
            with self._phase("graph"):
                vectors = self._index_vectors(embedder.dimensions)
            most = MOST if ready is None else MOST_COSTLY
            n_queries = write_queries(self._folder, embedder, queries[-most:])
        shutil.rmtree(self._folder / _SPILL)
        with self._phase("validation"):
            report = self._validate(embedder, vectors, lexical)
        with self._phase("manifest"):
            files = inventory(self._folder)
        manifest = Manifest(
            tokenizer=self._tokenizer.name,
            tokenizer_fingerprint=fingerprint(self._tokenizer),
            embedder=None
            if spec is None or embedder is None
            else _described(spec.kind, dict(spec.parameters), embedder),
            parameters=self._options.to_dict(),
            counts=self._counts,
            fields=fields,
            lexical=lexical,
            vectors=vectors,
            validation=report,
            timings_s=self._timings_s,
            cpu_s=round(time.process_time() - cpu, 3),
            made_with={name: version(name) for name in _PACKAGES}
            | {"python": platform.python_version()},
            files=files,
            queries={"n": n_queries},
        )
        manifest.write(self._folder)
        self._tell("manifest", 1.0, f"{manifest.n_passages:,} passages are indexed.")
        return manifest

    def _read(
        self, passages: Iterable[Passage], n_expected: int | None
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Read all passages once into the lexical index, the snapshot and the files."""
        (self._folder / _SPILL).mkdir()
        lexical = LexicalWriter(self._folder, self._options.memory_mb)
        snapshot = SnapshotWriter(self._folder, self._options.memory_mb)
        records = RecordWriter(self._folder)
        spill = TokenSpill(self._folder / _SPILL)
        numbers = TokenNumbers()
        n_done = 0
        for batch in _batches(passages, self._options.batch):
            for passage in batch:
                tokens = self._tokenizer.tokens(passage.searched())
                row = records.add(passage)
                tags = {tag(field, value) for field, value in tags_of(passage)}
                lexical.add(row, tokens, sorted(tags))
                spill.add(numbers.of(tokens))
            snapshot.add(n_done, batch)
            n_done += len(batch)
            share = min(1.0, n_done / n_expected) if n_expected else 0.5
            self._turn("reading", share, f"{n_done:,} passages read.")
        if not n_done:
            raise BuildProblem("no_passages")
        repeated = snapshot.repeated_id()
        if repeated is not None:
            raise BuildProblem("repeated_passage", value=shown(repeated))
        fields = snapshot.fields()
        self._counts = {
            "passages": n_done,
            "documents": snapshot.n_documents(),
            "tokens": spill.n_tokens,
        }
        records.close()
        snapshot.close()
        spill.close()
        return lexical.close(), fields

    def _learn(self, parameters: dict[str, Any]) -> LsaEmbedder:
        """Learn the default embedder from a random sample."""
        tokens = SpilledTokens(self._folder / _SPILL)
        size = min(self._options.sample, len(tokens))
        rows = np.sort(self._generator.choice(len(tokens), size=size, replace=False))
        embedder = LsaEmbedder.fit(
            [tokens[int(row)] for row in rows],
            self._tokenizer,
            self._generator,
            dimensions=int(parameters.get("dimensions", DIMENSIONS)),
        )
        embedder.save(self._folder)
        self._turn("embedder", 1.0, f"The embedder learnt from {size:,} passages.")
        return embedder

    def _encode(self, embedder: Embedder) -> None:
        """Write the vectors of all passages."""
        n_rows = self._counts["passages"]
        header = {
            "descr": npy.dtype_to_descr(np.dtype(np.float32)),
            "fortran_order": False,
            "shape": (n_rows, embedder.dimensions),
        }
        with (self._folder / FLOATS).open("wb") as stream:
            npy.write_array_header_1_0(stream, header)
            n_done = 0
            for vectors in self._vector_batches(embedder):
                stream.write(np.ascontiguousarray(vectors, dtype=np.float32).tobytes())
                n_done += len(vectors)
                self._turn("vectors", n_done / n_rows, f"{n_done:,} of {n_rows:,} vectors made.")

    def _vector_batches(self, embedder: Embedder) -> Iterator[Vectors]:
        n_rows, size = self._counts["passages"], self._options.batch
        if isinstance(embedder, LsaEmbedder):
            tokens = SpilledTokens(self._folder / _SPILL)
            for start in range(0, n_rows, size):
                stop = min(start + size, n_rows)
                yield embedder.encode_tokens([tokens[row] for row in range(start, stop)])
            return
        records = Records.open(self._folder)
        for start in range(0, n_rows, size):
            stop = min(start + size, n_rows)
            texts = [records[row].searched() for row in range(start, stop)]
            yield normalized(embedder.encode(texts))

    def _index_vectors(self, dimensions: int) -> dict[str, Any]:
        """Quantise the vectors and link them, shard by shard."""
        import faiss  # noqa: PLC0415 - a lexical build needs none of it

        options = self._options
        floats = np.load(self._folder / FLOATS, mmap_mode="r", allow_pickle=False)
        n_rows = len(floats)
        kind = EXACT if n_rows < options.exact_below else HNSW
        size = min(options.sample, n_rows)
        chosen = np.sort(self._generator.choice(n_rows, size=size, replace=False))
        training = np.ascontiguousarray(floats[chosen])
        sizes: list[int] = []
        for start in range(0, n_rows, options.shard_rows):
            part = floats[start : start + options.shard_rows]
            index: Any = None
            for n_done, built in build_shard(
                part,
                training,
                kind=kind,
                code_bits=options.code_bits,
                m=options.hnsw_m,
                ef_construction=options.ef_construction,
                batch=options.batch,
            ):
                index, done = built, start + n_done
                self._turn("graph", done / n_rows, f"{done:,} of {n_rows:,} vectors indexed.")
            faiss.write_index(index, str(self._folder / shard_name(len(sizes))))
            sizes.append(len(part))
        return {
            "kind": kind,
            "dimensions": dimensions,
            "shards": sizes,
            "ef_search": options.ef_search or 64,
        }

    def _validate(
        self, embedder: Embedder | None, vectors: dict[str, Any] | None, lexical: dict[str, Any]
    ) -> dict[str, Any]:
        """Ask the finished files held queries; choose the breadth of the graph search by them."""
        return validation.validate(
            self._folder,
            self._options,
            self._tokenizer,
            embedder,
            vectors,
            lexical,
            self._generator,
            self._check,
        )

    def _turn(self, phase: str, share: float, message: str) -> None:
        """Report, let the caller cancel, wait for memory."""
        self._tell(phase, share, message)
        self._check()
        if self._guard(self._check):
            self._tell(phase, share, WAITED)

    def _tell(self, phase: str, share: float, message: str) -> None:
        if self._on_progress is not None:
            low, high = PHASES[phase]
            self._on_progress(low + (high - low) * share, phase, message)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        self._check()
        self._tell(name, 0.0, "")
        yield
        self._timings_s[name] = round(time.perf_counter() - started, 3)


def _batches(passages: Iterable[Passage], size: int) -> Iterator[list[Passage]]:
    iterator = iter(passages)
    while batch := [checked(one) for one in islice(iterator, size)]:
        yield batch


def _described(kind: str, parameters: dict[str, Any], embedder: Embedder) -> dict[str, Any]:
    described = {
        "kind": kind,
        "parameters": parameters,
        "name": embedder.name,
        "version": embedder.version,
        "dimensions": embedder.dimensions,
    }
    if isinstance(embedder, LsaEmbedder):
        described["mean_length"] = embedder.mean_length
    return described


def _nothing() -> None:
    return

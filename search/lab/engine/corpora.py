"""The corpora that cells share: passages, vectors made from them, questions that nobody indexed.

One folder holds the texts of a scale, one the vectors of a scale and a length. Both are built once,
written beside their place and renamed, and known by the digest of what they were made from, so that
campaigns and workers share them and a half-written one is never read.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from search.engine.embedders.lsa import LsaEmbedder
from search.engine.spill import SpilledTokens, TokenSpill
from search.engine.tokenids import TokenNumbers
from search.engine.tokenizers import tokenizer
from search.lab.engine import sealed
from search.lab.engine.matrix import MAX_SCALE, MIN_SCALE
from search.lab.engine.problems import CorpusProblem
from search.lab.engine.sealed import MANIFEST
from search.lab.engine.texts import Corpus as Texts

FORMAT = 1
N_QUESTIONS = 1_000
#: Of a collection: 1,000 are indexed, the least scale of a matrix, and 100 held out.
MIN_PASSAGES = MIN_SCALE + 100
#: Questions that have a vector, below which figures say nothing; ours.
MIN_QUESTIONS = 20
#: Texts that teach the embedder.
SAMPLE = 20_000
BATCH = 5_000
TOKENIZER = "bigram-1"
#: Filters are ranges of this attribute, which is drawn evenly and apart from the text.
BUCKETS = 1_000
_TEXTS, _QUESTIONS, _BUCKETS = "texts.parquet", "questions.json", "buckets.npy"
_VECTORS, _QUERIES = "vectors.npy", "queries.npy"

Check = Callable[[], None]
Vectors = NDArray[np.float32]


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class TextFolder:
    """Passages of a scale and the questions asked of them.

    Attributes
    ----------
    path : Path
    digest : str
        SHA-256 over the files.
    """

    path: Path
    digest: str
    n_passages: int

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a folder that was made before.

        Raises
        ------
        CorpusProblem
            If its manifest cannot be read.
        """
        manifest = sealed.manifest(path, "n_passages")
        return cls(path, manifest["digest"], manifest["n_passages"])

    def texts(self) -> Iterator[list[str]]:
        """Yield the passages in batches."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - the web process loads no Arrow

        for batch in pq.ParquetFile(self.path / _TEXTS).iter_batches(BATCH, columns=["text"]):
            yield batch.column(0).to_pylist()

    @cached_property
    def questions(self) -> list[str]:
        """Questions drawn apart from any passage."""
        return list(json.loads((self.path / _QUESTIONS).read_text("utf-8")))

    @cached_property
    def buckets(self) -> NDArray[np.int16]:
        """The filter attribute of each passage, from 0 and below `BUCKETS`."""
        return np.asarray(np.load(self.path / _BUCKETS))


@dataclass(frozen=True)
class Corpus:
    """Texts and their vectors of one length, read by mmap.

    Attributes
    ----------
    digest : str
        SHA-256 over the texts' digest, the vectors and the question vectors.
    """

    path: Path
    texts: TextFolder
    dimension: int
    digest: str

    @classmethod
    def open(cls, texts: Path, vectors: Path) -> Self:
        """Open the two folders of a corpus that was made before.

        Raises
        ------
        CorpusProblem
            If a manifest cannot be read.
        """
        manifest = sealed.manifest(vectors, "dimension")
        return cls(vectors, TextFolder.open(texts), manifest["dimension"], manifest["digest"])

    @cached_property
    def vectors(self) -> Vectors:
        """Unit vectors, float32 [n_passages, dimension]."""
        return np.asarray(np.load(self.path / _VECTORS, mmap_mode="r"))

    @cached_property
    def queries(self) -> Vectors:
        """Unit vectors of the questions, float32 [n_questions, dimension]."""
        return np.asarray(np.load(self.path / _QUERIES))

    @cached_property
    def answerable(self) -> NDArray[np.int64]:
        """Places of the questions that have a vector: to the others all passages are as near."""
        return np.flatnonzero(self.queries.any(axis=1))

    @property
    def buckets(self) -> NDArray[np.int16]:
        """The filter attribute of each passage."""
        return self.texts.buckets


def bucket_limit(share: float) -> int:
    """Return the bucket below which a filter of some share lets passages through."""
    return max(1, round(share * BUCKETS))


def generated(folder: Path, scale: int, *, seed: int = 0, check: Check = _nothing) -> TextFolder:
    """Return the generated texts of a scale, made now unless they are there.

    Parameters
    ----------
    folder : Path
        Where all corpora lie.
    check : callable
        Called between batches; whatever it raises ends the work and leaves nothing behind.
    """
    source = Texts.make(seed)

    def texts() -> Iterator[str]:
        return (passage.text for passage in source.passages(scale))

    path = generated_folder(folder, scale, seed)
    return _texts(path, texts, lambda: source.questions(N_QUESTIONS), seed, check)


def generated_folder(folder: Path, scale: int, seed: int) -> Path:
    """Return where the generated texts of a scale lie or will lie."""
    return folder / f"texts-{scale}-{seed}-v{FORMAT}"


def of_collection(
    folder: Path,
    name: str,
    texts: Callable[[], Iterable[str]],
    *,
    seed: int = 0,
    check: Check = _nothing,
) -> TextFolder:
    """Return the texts of somebody's own collection, a part of them held out as questions.

    One passage in a hundred, at least 100 and at most `N_QUESTIONS`, is not indexed: its first
    sentence is asked instead, so that no question is part of the corpus.

    Parameters
    ----------
    name : str
        Changes with the content of the collection.
    texts : callable
        Gives the passages, the same each time.

    Raises
    ------
    CorpusProblem
        If there are fewer than `MIN_PASSAGES`, or more than a matrix may have.
    """
    if is_there(folder, name, seed):
        return TextFolder.open(collection_folder(folder, name, seed))
    count = 0
    for count, _text in enumerate(texts(), start=1):
        if count % BATCH == 0:
            check()
    if count < MIN_PASSAGES:
        raise CorpusProblem("too_few_passages", value=count, limit=MIN_PASSAGES)
    n_held = n_questions(count)
    if count - n_held > MAX_SCALE:
        raise CorpusProblem("too_many_passages", value=f"{count:,}", limit=f"{MAX_SCALE:,}")
    held = set(np.random.default_rng(seed).choice(count, n_held, replace=False).tolist())

    def kept() -> Iterator[str]:
        return (text for place, text in enumerate(texts()) if place not in held)

    def questions() -> list[str]:
        return [_first_sentence(text) for place, text in enumerate(texts()) if place in held]

    return _texts(collection_folder(folder, name, seed), kept, questions, seed, check)


def n_questions(n_passages: int) -> int:
    """Return how many passages of a collection are held out and asked."""
    return min(N_QUESTIONS, max(100, n_passages // 100))


def is_there(folder: Path, name: str, seed: int) -> bool:
    """Whether the texts of a collection were made before and are still kept."""
    return (collection_folder(folder, name, seed) / MANIFEST).exists()


def collection_folder(folder: Path, name: str, seed: int) -> Path:
    """Return where the texts of a collection lie or will lie."""
    return folder / f"texts-{name}-{seed}-v{FORMAT}"


def vectors_folder(folder: Path, texts: TextFolder, dimension: int, seed: int) -> Path:
    """Return where the vectors of texts lie or will lie."""
    return folder / f"vectors-{texts.digest[:16]}-{dimension}-{seed}-v{FORMAT}"


def with_vectors(
    folder: Path, texts: TextFolder, dimension: int, *, seed: int = 0, check: Check = _nothing
) -> Corpus:
    """Return the corpus of a vector length, embedded now unless it is there.

    The vectors are latent semantic analysis of the texts (`search.engine.embedders.lsa`):
    neighbours in meaning exist, as they do not in noise.
    """
    path = vectors_folder(folder, texts, dimension, seed)
    if not (path / MANIFEST).exists():
        with sealed.fresh(path) as fresh:
            _embed(fresh, texts, dimension, seed, check)
            sealed.seal(fresh, {"format": FORMAT} | vectors_facts(texts, dimension))
    return Corpus(path, texts, dimension, sealed.manifest(path)["digest"])


def vectors_facts(texts: TextFolder, dimension: int) -> dict[str, Any]:
    """Return what the manifest of vectors says of what they were made from."""
    return {"texts": texts.digest, "dimension": dimension}


def _texts(
    path: Path,
    texts: Callable[[], Iterable[str]],
    questions: Callable[[], Sequence[str]],
    seed: int,
    check: Check,
) -> TextFolder:
    if not (path / MANIFEST).exists():
        with sealed.fresh(path) as fresh:
            count = _write_texts(fresh, texts(), check)
            generator = np.random.default_rng((seed, 3))
            np.save(fresh / _BUCKETS, generator.integers(0, BUCKETS, count).astype(np.int16))
            (fresh / _QUESTIONS).write_text(json.dumps(list(questions()), ensure_ascii=False))
            sealed.seal(fresh, {"format": FORMAT, "n_passages": count})
    return TextFolder.open(path)


def _write_texts(path: Path, texts: Iterable[str], check: Check) -> int:
    import pyarrow as pa  # noqa: PLC0415 - the web process loads no Arrow
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    count = 0
    schema = pa.schema([("text", pa.string())])
    with pq.ParquetWriter(path / _TEXTS, schema) as writer:
        for batch in _batches(texts):
            check()
            writer.write_batch(pa.record_batch([pa.array(batch, pa.string())], schema=schema))
            count += len(batch)
    return count


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    source = iter(texts)
    while batch := list(islice(source, BATCH)):
        yield batch


def _embed(path: Path, texts: TextFolder, dimension: int, seed: int, check: Check) -> None:
    cut, tokens = tokenizer(TOKENIZER), _tokens(texts, check)
    every = max(1, len(tokens) // SAMPLE)
    sample = [tokens[row] for row in range(0, len(tokens), every)][:SAMPLE]
    generator = np.random.default_rng((seed, 4))
    embedder = LsaEmbedder.fit(sample, cut, generator, dimensions=dimension)
    del sample
    shape = (texts.n_passages, dimension)
    vectors = np.lib.format.open_memmap(path / _VECTORS, "w+", np.float32, shape)
    for start in range(0, len(tokens), BATCH):
        check()
        stop = min(start + BATCH, len(tokens))
        vectors[start:stop] = embedder.encode_tokens([tokens[row] for row in range(start, stop)])
    vectors.flush()
    np.save(path / _QUERIES, embedder.encode(texts.questions))


def _tokens(texts: TextFolder, check: Check) -> SpilledTokens:
    """Return the tokens of all passages, cut once for all lengths of their vectors."""
    path = texts.path.with_name(f"tokens-{texts.digest[:16]}-{TOKENIZER}-v{FORMAT}")
    sealed.drop_damaged(path, texts=texts.digest)
    if not (path / MANIFEST).exists():
        with sealed.fresh(path) as fresh:
            cut, numbers, spill = tokenizer(TOKENIZER), TokenNumbers(), TokenSpill(fresh)
            for batch in texts.texts():
                check()
                for text in batch:
                    spill.add(numbers.of(cut.tokens(text)))
            spill.close()
            sealed.seal(fresh, {"texts": texts.digest, "n_tokens": spill.n_tokens})
    return SpilledTokens(path)


def _first_sentence(text: str) -> str:
    head = text.strip()[:200]
    for mark in (". ", "다. ", "? ", "\n"):
        head = head.partition(mark)[0] or head
    return head

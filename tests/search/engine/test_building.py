"""A build: what it leaves behind, in order and in every way it can end."""

import multiprocessing
import multiprocessing.connection
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from search.engine.building import PHASES, build
from search.engine.index import open_index
from search.engine.manifest import Manifest
from search.engine.memory import MemoryGuard
from search.engine.options import BuildOptions, EmbedderSpec
from search.engine.passages import Passage
from search.engine.problems import BuildProblem, EmbedderProblem, IndexDamaged, MemoryShort
from tests.search.engine.collection import generated

QUICK = BuildOptions(
    embedder=EmbedderSpec("lsa", {"dimensions": 32}), batch=100, n_validation=20, sample=500
)


def test_the_manifest_tells_what_was_built(built: Path, plant: list[Passage]) -> None:
    manifest = Manifest.read(built)
    assert manifest.n_passages == manifest.n_documents == len(plant)
    assert manifest.fields["line"] == "number"
    assert manifest.fields["plant"] == "text"
    assert manifest.fields["approved"] == "flag"
    assert manifest.embedder_spec == EmbedderSpec("lsa", {})
    assert manifest.validation["recall_at_10"] == 1.0
    assert set(manifest.files) == {
        path.relative_to(built).as_posix()
        for path in built.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def test_passages_are_read_once_and_in_batches(tmp_path: Path) -> None:
    seen: list[int] = []

    def stream() -> Iterator[Passage]:
        for number, passage in enumerate(generated(250)):
            seen.append(number)
            yield passage

    told: list[tuple[float, str, str]] = []
    build(stream(), tmp_path / "a", QUICK, lambda *one: told.append(one), n_expected=250)
    assert seen == list(range(250))
    fractions = [fraction for fraction, _, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert [phase for phase in PHASES if phase in {one[1] for one in told}] == list(PHASES)


def test_the_same_seed_gives_the_same_index(tmp_path: Path) -> None:
    answers = []
    for name in ("a", "b"):
        build(generated(300), tmp_path / name, replace(QUICK, exact_below=100))
        index = open_index(tmp_path / name)
        hits = index.search("금형 냉각수 점검", top_k=20).hits
        answers.append([(hit.passage.id, hit.score) for hit in hits])
        index.close()
    assert answers[0] == answers[1]
    first, second = (np.load(tmp_path / name / "vectors.npy") for name in ("a", "b"))
    assert np.array_equal(first, second)


def test_a_lexical_index_needs_no_embedder(tmp_path: Path) -> None:
    manifest = build(generated(50), tmp_path / "a", replace(QUICK, embedder=None))
    assert manifest.vectors is None
    index = open_index(tmp_path / "a")
    result = index.search("금형")
    assert result.hits
    assert result.degraded == ("vector: the index holds no vectors",)
    index.close()


def test_one_passage_is_enough(tmp_path: Path) -> None:
    build([Passage("a", "d", "기공")], tmp_path / "a")
    index = open_index(tmp_path / "a")
    assert index.search("기공", "vector").hits[0].passage.id == "a"
    index.close()


@pytest.mark.parametrize(
    ("passages", "code"),
    [
        ([], "no_passages"),
        ([Passage("a", "d", "x"), Passage("a", "e", "y")], "repeated_passage"),
        ([Passage("", "d", "x")], "wrong_passage"),
        ([Passage("a", "", "x")], "wrong_passage"),
        ([Passage("a", "d", "x" * 20_001)], "wrong_passage"),
        ([Passage("a", "d", "x", metadata={"title": "x"})], "wrong_passage"),
        ([Passage("a", "d", "x", metadata={"n": float("nan")})], "wrong_passage"),
        ([Passage("a", "d", "x", metadata={"n": {}})], "wrong_passage"),  # type: ignore[dict-item]
        ([Passage("a", "d", "... !!!")], "cannot_train"),
    ],
)
def test_passages_that_cannot_be_indexed_are_refused(
    tmp_path: Path, passages: list[Passage], code: str
) -> None:
    with pytest.raises(BuildProblem) as caught:
        build(passages, tmp_path / "a", QUICK)
    assert caught.value.code == code
    with pytest.raises(IndexDamaged):
        open_index(tmp_path / "a")


def test_texts_of_any_characters_are_indexed(tmp_path: Path) -> None:
    odd = ["\ud800 기공", "🔥" * 30, "\x00\x07탭\t줄\n", "\u202e뒤집힘", "e\u0301" * 20, "ﷺ"]
    passages = [Passage(f"p{n}", f"d{n}", text) for n, text in enumerate(odd)]
    build(passages, tmp_path / "a", QUICK)
    index = open_index(tmp_path / "a")
    assert index.search("기공", "lexical").hits[0].passage.text == "\ufffd 기공"
    index.close()


def test_a_folder_in_use_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(BuildProblem, match="not empty"):
        build(generated(3), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_check_raises_ends_the_build(tmp_path: Path) -> None:
    class CancelledError(Exception):
        pass

    turns = iter(range(3))

    def check() -> None:
        if next(turns, None) is None:
            raise CancelledError

    with pytest.raises(CancelledError):
        build(generated(1_000), tmp_path / "a", QUICK, check=check)
    with pytest.raises(IndexDamaged):
        open_index(tmp_path / "a")


def test_a_build_waits_for_memory_and_goes_on(tmp_path: Path) -> None:
    readings = iter([100, 100])
    guard = MemoryGuard(500, 60.0, lambda: next(readings, 1_000))
    told: list[str] = []
    build(generated(60), tmp_path / "a", QUICK, lambda *one: told.append(one[2]), guard=guard)
    assert "The build waited for memory." in told


def test_a_build_gives_up_when_memory_stays_short(tmp_path: Path) -> None:
    with pytest.raises(MemoryShort, match="100 MB"):
        build(generated(60), tmp_path / "a", QUICK, guard=MemoryGuard(500, 0.0, lambda: 100))
    with pytest.raises(IndexDamaged):
        open_index(tmp_path / "a")


def test_poor_recall_fails_the_build(tmp_path: Path) -> None:
    options = replace(QUICK, exact_below=10, hnsw_m=4, ef_construction=8, ef_search=8)
    options = replace(options, min_recall=1.0, aimed_recall=1.0, n_validation=100)
    with pytest.raises(BuildProblem) as caught:
        build(generated(3_000), tmp_path / "a", options)
    assert caught.value.code == "poor_recall"


def test_an_unknown_embedder_fails_before_any_work(tmp_path: Path) -> None:
    def never() -> Iterator[Passage]:
        raise AssertionError("nothing may be read")
        yield

    with pytest.raises(EmbedderProblem, match="word2vec"):
        build(never(), tmp_path / "a", BuildOptions(embedder=EmbedderSpec("word2vec")))


@pytest.mark.parametrize(
    "wrong",
    [{"code_bits": 5}, {"shard_rows": 9}, {"hnsw_m": 1}, {"vector_weight": 2}, {"seed": "x"}],
)
def test_options_out_of_bounds_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BuildProblem):
        BuildOptions(**wrong)  # type: ignore[arg-type]


def test_options_survive_json() -> None:
    options = BuildOptions(embedder=EmbedderSpec("openai", {"url": "u"}), seed=7)
    assert BuildOptions.from_dict(options.to_dict()) == options
    with pytest.raises(BuildProblem, match="colour"):
        BuildOptions.from_dict({"colour": "red"})


def _build_slowly(folder: str, pipe: "multiprocessing.connection.Connection") -> None:
    def tell(_fraction: float, phase: str, message: str) -> None:
        pipe.send(phase)
        pipe.recv()

    build(generated(300), Path(folder), QUICK, tell)


@pytest.mark.integration
@pytest.mark.parametrize("phase", ["reading", "graph", "manifest"])
def test_a_kill_in_any_phase_leaves_no_index(tmp_path: Path, phase: str) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_build_slowly, args=(str(tmp_path / "a"), theirs))
    process.start()
    theirs.close()
    while ours.recv() != phase:
        ours.send(None)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with pytest.raises(IndexDamaged, match="manifest is missing"):
        open_index(tmp_path / "a")

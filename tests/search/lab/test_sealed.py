"""What campaigns share: verified, made again when damaged or foreign, swept when unused."""

import os
import shutil
import threading
from collections.abc import Callable
from datetime import timedelta
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portal.core.actors import Actor
from portal.lib import clock
from search.lab import dispatch
from search.lab.engine import corpora, kept, sealed
from search.lab.engine.corpora import Corpus
from search.lab.engine.hybrid import leg_facts, leg_folder
from search.lab.engine.matrix import Cell, Matrix
from search.lab.engine.problems import CorpusProblem
from search.lab.models import Campaign
from search.lab.services import shelf, worker
from search.lab.services.making import Maker
from search.lab.services.worker import Job

ACTOR = Actor.system("test")
LONG_AGO = (0, 0)

Wait = Callable[..., Any]


def folder_of(place: Path, content: bytes = b"abc", **facts: object) -> Path:
    """Write a sealed folder."""
    with sealed.fresh(place) as fresh:
        (fresh / "file.bin").write_bytes(content)
        sealed.seal(fresh, {"texts": "a", **facts})
    return place


def flip(path: Path) -> None:
    """Change the last byte of a file."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_folder_is_whole_until_a_file_its_manifest_or_its_origin_differs(tmp_path: Path) -> None:
    place = folder_of(tmp_path / "one")
    sealed.verify(place, texts="a")
    assert not sealed.drop_damaged(place, texts="a")
    with pytest.raises(CorpusProblem, match="The corpus one differs"):
        sealed.verify(place, texts="b")
    manifest = place / sealed.MANIFEST
    said = manifest.read_text()
    for other in (said.replace('"a"', '"c"'), said[:-5], "[]", '{"digest": 1}'):
        manifest.write_text(other)
        with pytest.raises(CorpusProblem):
            sealed.verify(place)
    manifest.write_text(said)
    flip(place / "file.bin")
    assert sealed.drop_damaged(place, texts="a")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_manifest_gives_way_to_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/file.bin").write_bytes(b"written before there were manifests")
    folder_of(tmp_path / "one")
    sealed.verify(tmp_path / "one")
    assert [one.name for one in tmp_path.iterdir()] == ["one"]


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def dies() -> None:
        with sealed.fresh(tmp_path / "one") as fresh:
            (fresh / "file.bin").write_bytes(b"abc")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        dies()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_another_made_again_is_not_dropped(tmp_path: Path, wait_for: Wait) -> None:
    """The later of two processes that found the damage waits, and looks again."""
    place = folder_of(tmp_path / "one")
    flip(place / "file.bin")
    found: list[bool] = []
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        flock(descriptor, LOCK_EX)
        later = threading.Thread(target=lambda: found.append(sealed.drop_damaged(place)))
        later.start()
        wait_for(lambda: _waits_for(tmp_path) or not later.is_alive(), 30)
        shutil.rmtree(place)
        folder_of(place)
    finally:
        os.close(descriptor)
    later.join(60)
    assert found == [True]
    sealed.verify(place)


def _waits_for(folder: Path) -> bool:
    """Whether somebody waits for the lock of a folder."""
    ending = f":{folder.stat().st_ino}"
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f"{ending} " in line for line in lines)


def test_a_lexical_leg_that_is_damaged_or_foreign_is_made_again(
    tmp_path: Path, corpus: Corpus
) -> None:
    told: list[str] = []
    maker = Maker(tmp_path, 0, 0, lambda: None, told.append)
    cell = Cell("faiss-flat", 2_000, 32, "hybrid", lexical="tantivy")
    job = Job("lexical", cell, corpus.texts.path, corpus.path, tmp_path, tmp_path / "cache")
    assert not maker.has_leg("tantivy", corpus)
    worker.lexical(job)
    assert maker.has_leg("tantivy", corpus)
    place = leg_folder(tmp_path / "cache", corpus, "tantivy")
    flip(max(place.iterdir(), key=lambda one: one.stat().st_size))
    assert not maker.has_leg("tantivy", corpus)
    folder_of(place, **leg_facts(corpus, "tantivy") | {"texts": "those of another scale"})
    assert not maker.has_leg("tantivy", corpus)
    worker.lexical(job)
    assert maker.has_leg("tantivy", corpus)
    assert told == [place.name] * 2


def test_tokens_that_are_damaged_are_cut_again(tmp_path: Path) -> None:
    texts = corpora.generated(tmp_path, 200)
    made = np.array(corpora.with_vectors(tmp_path, texts, 16).vectors)
    (tokens,) = tmp_path.glob("tokens-*")
    shutil.rmtree(corpora.vectors_folder(tmp_path, texts, 16, 0))
    (tokens / "tokens.bin").write_bytes(bytes((tokens / "tokens.bin").stat().st_size))
    again = corpora.with_vectors(tmp_path, texts, 16)
    sealed.verify(tokens, texts=texts.digest)
    assert np.allclose(again.vectors, made, atol=1e-4)


@pytest.mark.django_db
def test_what_nobody_used_for_long_is_swept_and_what_is_held_is_not(tmp_path: Path) -> None:
    names = ("held", "unused", "young", ".making-left", ".making-now")
    places = {name: folder_of(tmp_path / "corpora" / name) for name in names}
    for name in ("held", "unused", ".making-left"):
        os.utime(places[name], LONG_AGO)
    answers = tmp_path / "cache/truth-a.npy"
    for path in (answers, tmp_path / "cache/truth-b.npy"):
        kept.array(path, lambda: np.arange(3))
        for part in (path, path.with_suffix(".sha256")):
            os.utime(part, LONG_AGO)
    kept.array(answers, lambda: np.arange(3))
    (tmp_path / "tuning/left-over").mkdir(parents=True)

    with sealed.held(places["held"]):
        os.utime(places["held"], LONG_AGO)  # as if the clock had been set forward
        assert shelf.sweep_shared(tmp_path) == 5

    assert sorted(one.name for one in (tmp_path / "corpora").iterdir()) == [
        ".making-now",
        "held",
        "young",
    ]
    assert sorted(one.name for one in (tmp_path / "cache").iterdir()) == [
        "truth-a.npy",
        "truth-a.sha256",
    ]
    assert shelf.sweep_shared(tmp_path) == 0


@pytest.mark.django_db
def test_a_clock_that_was_set_back_keeps_nothing_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder_of(tmp_path / "corpora/one")
    in_ten_years = (clock.now() + timedelta(days=3_650)).timestamp()
    os.utime(place, (in_ten_years, in_ten_years))
    assert shelf.sweep_shared(tmp_path) == 0
    later = clock.now() + timedelta(days=shelf.KEEP_DAYS + 1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert shelf.sweep_shared(tmp_path) == 1


@pytest.mark.django_db
def test_texts_that_a_campaign_in_the_queue_began_with_stay(tmp_path: Path) -> None:
    plan = Matrix(scales=(1_000,), dimensions=(16,), engines=("faiss-flat",))
    campaign = dispatch.start(plan=plan, name="queued", actor=ACTOR)
    Campaign.objects.filter(pk=campaign.pk).update(collection="manuals", corpus="manuals-3-abc")
    for name in ("manuals-3-abc", "manuals-2-abc"):
        place = corpora.collection_folder(tmp_path / "corpora", name, 0)
        os.utime(folder_of(place), LONG_AGO)
    assert shelf.sweep_shared(tmp_path) == 1
    assert corpora.is_there(tmp_path / "corpora", "manuals-3-abc", 0)

"""Changes that wait for a build, once on the machine instead of in every process."""

import errno
import fcntl
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from portal.registry.models import Alias, AliasAssignment, ModelVersion
from search.engine.segments import Segment
from search.models import Collection, Document
from search.services import documents, folders, loading, spilling
from search.services.holding import Held
from tests.search.conftest import ACTOR, Build, incoming


@pytest.fixture
def changed(build: Build, collection: Collection, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Give a live index as another process opens it, and sixty documents that are not in it."""
    build()
    monkeypatch.setattr(loading, "BATCH", 10)
    texts = {f"note-{number}": f"비스킷 두께 기록 {number}" for number in range(60)}
    documents.upsert(collection=collection, documents=incoming(texts), actor=ACTOR)
    return opened(collection)


def opened(collection: Collection) -> Held:
    return replace(loading.load(live(collection), collection.name), spill_at=20)


def live(collection: Collection) -> ModelVersion:
    of = AliasAssignment.objects.select_related("version__model")
    return of.get(model__name=collection.model_name, alias=Alias.CHAMPION).version


def found(held: Held, query: str = "비스킷 두께") -> set[str]:
    return {hit.passage.document_id for hit in held.index.search(query, top_k=100).hits}


def names(held: Held) -> list[str]:
    assert held.changes is not None
    return sorted(one.name for one in held.changes.iterdir())


def test_what_is_too_much_for_memory_lies_in_files_that_others_map(
    changed: Held, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilling, "MOST_IN_MEMORY", 20)
    loading.catch_up(changed, collection.sequence)
    assert changed.index.n_in_memory < 20
    assert changed.sequence == collection.sequence
    assert {f"note-{number}" for number in range(60)} <= found(changed)
    assert len(names(changed)) < 3  # neighbours of like size were merged

    other = opened(collection)
    assert other.sequence > other.through
    assert other.index.n_in_memory == 0
    loading.catch_up(other, collection.sequence)
    assert found(other) == found(changed)


def test_documents_change_and_go_after_they_were_written(
    changed: Held, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilling, "MOST_IN_MEMORY", 20)
    loading.catch_up(changed, collection.sequence)
    documents.delete(collection=collection, external_ids=["note-1", "flash"], actor=ACTOR)
    texts = {"note-2": "전혀 다른 글"}
    documents.upsert(collection=collection, documents=incoming(texts), actor=ACTOR)
    for held in (changed, opened(collection)):
        loading.catch_up(held, collection.sequence)
        assert not {"note-1", "flash"} & found(held)
        passages = held.index.passages_of("note-2")
        assert [one.text for one in passages] == ["전혀 다른 글"]


def test_two_processes_that_are_full_write_it_once(changed: Held, collection: Collection) -> None:
    other = opened(collection)
    for held in (changed, other):
        held.spill_at = 1000
        loading.catch_up(held, collection.sequence)
        assert spilling.spill(held)
    assert len(names(changed)) == 1
    assert other.index.n_in_memory == 0
    assert found(other) == found(changed)


def test_what_cannot_be_written_stays_in_memory(
    changed: Held, collection: Collection, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    changed.changes = tmp_path / "file" / "changes"
    loading.catch_up(changed, collection.sequence)
    assert changed.index.n_in_memory == 60
    assert changed.spill_at > 20
    assert {f"note-{number}" for number in range(60)} <= found(changed)


def test_files_of_before_a_restoration_are_not_believed(
    changed: Held, collection: Collection
) -> None:
    loading.catch_up(changed, collection.sequence)
    assert names(changed)
    Collection.objects.filter(pk=collection.pk).update(sequence=changed.through)
    Document.objects.filter(collection=collection, sequence__gt=changed.through).delete()
    other = opened(collection)
    assert (other.sequence, other.index.segments) == (other.through, ())


def test_a_damaged_file_is_read_from_the_database_again(
    changed: Held, collection: Collection
) -> None:
    loading.catch_up(changed, collection.sequence)
    assert changed.changes is not None
    for one in changed.changes.rglob("passages.bin"):
        one.unlink()  # what is mapped stays whole
        one.write_bytes(b"")
    other = opened(collection)
    loading.catch_up(other, collection.sequence)
    assert found(other) == found(changed)


def more(collection: Collection, count: int) -> None:
    texts = {f"more-{number}": f"비스킷 두께 덧붙임 {number}" for number in range(count)}
    documents.upsert(collection=collection, documents=incoming(texts), actor=ACTOR)


def test_a_damaged_file_is_written_again_from_what_is_mapped(
    changed: Held, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilling, "MOST_IN_MEMORY", 20)
    loading.catch_up(changed, collection.sequence)
    assert changed.changes is not None
    for one in changed.changes.rglob("passages.bin"):
        one.unlink()
        one.write_bytes(b"")
    more(collection, 20)
    loading.catch_up(changed, collection.sequence)
    other = opened(collection)  # finds whole files that were merged from the damaged ones
    assert [len(one) for one in other.index.segments] == [80]
    loading.catch_up(other, collection.sequence)
    assert found(other) == found(changed)


def test_files_that_another_process_removed_are_written_again(
    changed: Held, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilling, "MOST_IN_MEMORY", 20)
    loading.catch_up(changed, collection.sequence)
    assert changed.changes is not None
    shutil.rmtree(changed.changes)  # as one does that starts and finds damage
    more(collection, 20)
    loading.catch_up(changed, collection.sequence)
    assert changed.index.n_in_memory < 20
    other = opened(collection)
    assert sum(map(len, other.index.segments)) == 80
    loading.catch_up(other, collection.sequence)
    assert found(other) == found(changed)


def test_files_of_versions_that_nobody_serves_are_removed(
    changed: Held, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading.catch_up(changed, collection.sequence)
    monkeypatch.setattr(folders, "UNUSED_S", -1.0)
    folders.remove_unused({folders.of(live(collection))})
    assert names(changed)
    folders.remove_unused(set())
    assert changed.changes is not None
    assert not changed.changes.exists()


def test_what_is_merged_while_a_process_starts_is_not_damaged(
    changed: Held, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading.catch_up(changed, collection.sequence)
    plain, locked = spilling._chain, list[bool]()

    def looked(root: Path, through: int) -> list[Path]:
        locked.append(_is_locked(changed))
        return plain(root, through)

    monkeypatch.setattr(spilling, "_chain", looked)
    other = opened(collection)
    assert other.index.segments
    assert locked == [True]  # nobody merges what is being opened


def _is_locked(held: Held) -> bool:
    assert held.changes is not None
    with (held.changes.parent / f".{held.changes.name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_what_a_killed_process_left_half_written_is_removed(
    changed: Held, collection: Collection
) -> None:
    assert changed.changes is not None
    (changed.changes / ".half").mkdir(parents=True)
    (changed.changes / f"{changed.through + 1}-{changed.through + 2}").mkdir()
    loading.catch_up(changed, collection.sequence)
    assert [one.name.partition("-")[0] for one in changed.changes.iterdir()] == [
        str(changed.through)
    ]


def test_a_document_that_changes_while_files_are_written_is_never_missing(
    changed: Held, collection: Collection
) -> None:
    other = opened(collection)
    other.spill_at = 1000
    loading.catch_up(other, other.through + 30)
    assert spilling.spill(other)  # the files end before what the first process knows
    changed.spill_at = 1000
    loading.catch_up(changed, collection.sequence)
    texts = {"note-50": "비스킷 두께 새 기록"}
    documents.upsert(collection=collection, documents=incoming(texts), actor=ACTOR)
    assert spilling.spill(changed)
    assert "note-50" in found(changed)
    loading.catch_up(changed, collection.sequence)
    assert [one.text for one in changed.index.passages_of("note-50")] == ["비스킷 두께 새 기록"]


def test_files_of_documents_that_change_again_and_again_do_not_grow(
    changed: Held, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilling, "MOST_IN_MEMORY", 20)
    monkeypatch.setattr(spilling, "LARGEST", 40)
    for turn in range(6):
        texts = {f"note-{number}": f"비스킷 두께 {turn}.{number}" for number in range(60)}
        documents.upsert(collection=collection, documents=incoming(texts), actor=ACTOR)
        loading.catch_up(changed, collection.sequence)
    other = opened(collection)
    n_written = sum(len(one) for one in other.index.segments)
    assert n_written + changed.index.n_in_memory <= 3 * 60
    assert {f"note-{number}" for number in range(60)} <= found(changed)
    loading.catch_up(other, collection.sequence)
    assert found(other) == found(changed)


def test_there_are_never_many_files(
    changed: Held, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilling, "MOST_IN_MEMORY", 10)
    monkeypatch.setattr(spilling, "LARGEST", 10)
    monkeypatch.setattr(spilling, "MOST_SEGMENTS", 2)
    changed.spill_at = 10
    loading.catch_up(changed, collection.sequence)
    assert len(names(changed)) <= 2
    assert {f"note-{number}" for number in range(60)} <= found(changed)


def test_a_machine_short_of_files_damages_nothing(
    changed: Held, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading.catch_up(changed, collection.sequence)
    written = names(changed)

    def short(_self: object, _folder: Path, _head: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr(Segment, "__init__", short)
        other = opened(collection)
        assert other.index.segments == ()
    assert names(changed) == written
    loading.catch_up(other, collection.sequence)
    assert found(other) == found(changed)

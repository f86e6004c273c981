"""Files into a collection: what is read, what is skipped and why, what a second time does."""

import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from portal.core.errors import InvalidInput
from portal.runs import artifacts
from portal.runs.models import Run, RunArtifact, State
from search import dispatch
from search.engine.readers.limits import Limits
from search.models import Collection, Document, RelevanceCheck
from search.services import collections, frontmatter, importing, knowledge, searching, uploads
from search.services.requesting import BUILD_INDEX
from tests.search.conftest import ACTOR, done, is_held
from tests.search.engine.readers.files import encrypted_pdf
from tests.waiting import wait_for

HEAD = """---
id: gate-speed
title: Gate speed
taxonomy: process/filling
type: parameter
date: 2026-03-04
tags: gate, Velocity_2
---

# Gate speed

The gate speed decides how the metal fills the die.
"""


def bomb() -> bytes:
    """Return a DOCX whose one part would unpack to a hundred megabytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * (100 << 20))
    return packed.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of six good files and eight that cannot be read."""
    (tmp_path / "manuals" / "die").mkdir(parents=True)
    (tmp_path / "gate.md").write_text(HEAD)
    (tmp_path / "manuals" / "vent.txt").write_text("진공 밸브를 매일 청소한다.")
    (tmp_path / "manuals" / "die" / "cool.html").write_text("<h1>Cooling</h1><p>Check flow.</p>")
    (tmp_path / "limits.csv").write_text("part,limit\nsleeve,0.2 mm\n")
    (tmp_path / "korean.txt").write_bytes("슬리브 마모를 잰다.".encode("cp949"))
    (tmp_path / "copy.txt").write_text("진공 밸브를 매일 청소한다.")
    (tmp_path / "empty.md").write_text("")
    (tmp_path / "scan.pdf").write_bytes(b"not a pdf at all")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "bomb.docx").write_bytes(bomb())
    (tmp_path / "secret.pdf").write_bytes(encrypted_pdf("a", "only with this"))
    (tmp_path / "emoji.md").write_text("# 🔥 금형 🙂\n\n'; DROP TABLE search_document; --")
    (tmp_path / "surrogate.txt").write_bytes(b"half of a letter: \xed\xa0\xbd\xff\xfe\x80")
    (tmp_path / ".hidden").write_text("not for import")
    return tmp_path


@pytest.fixture
def empty(transactional_db: None) -> Collection:
    return collections.create(name="plant", actor=ACTOR)


def imported(collection: Collection, folder: Path) -> Run:
    return done(dispatch.import_folder(collection=collection, folder=folder, actor=ACTOR))


def test_one_bad_file_never_stops_the_rest(empty: Collection, folder: Path) -> None:
    run = imported(empty, folder)

    assert run.state == State.SUCCEEDED, run.error_message
    assert run.result["n_created"] == 6
    skipped = {one["name"]: one["code"] for one in run.result["skipped"]}
    assert skipped == {
        "binary.txt": "binary",
        "bomb.docx": "bomb",
        "empty.md": "empty_file",
        "manuals/vent.txt": "duplicate",
        "photo.png": "unknown_kind",
        "scan.pdf": "not_what_it_says",
        "secret.pdf": "encrypted",
        "surrogate.txt": "wrong_encoding",
    }
    report = RunArtifact.objects.get(run=run, name=importing.REPORT)
    assert json.loads(artifacts.read(report.artifact_id))["n_skipped"] == 8


def test_a_file_says_of_itself_what_it_is(empty: Collection, folder: Path) -> None:
    imported(empty, folder)

    gate = Document.objects.get(external_id="gate-speed")
    assert (gate.title, gate.taxonomy, gate.content_type) == (
        "Gate speed",
        "process/filling",
        "parameter",
    )
    assert gate.metadata == {"tags": ["gate", "Velocity_2"]}
    assert str(gate.date) == "2026-03-04"
    cool = Document.objects.get(external_id="manuals/die/cool.html")
    assert (cool.taxonomy, cool.content_type) == ("manuals/die", "html")


def test_files_that_cannot_be_had_are_named(
    empty: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "Limits", lambda: Limits(max_bytes=100))
    (tmp_path / "good.txt").write_text("용탕 온도를 잰다.")
    (tmp_path / "big.txt").write_text("x" * 101)
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    os.mkfifo(tmp_path / ".pipe")
    (tmp_path / "pipe.txt").symlink_to(tmp_path / ".pipe")  # reading it would wait for ever
    os.utime(tmp_path / "good.txt", (0, 0))  # of 1970, as in images of containers

    run = imported(empty, tmp_path)

    assert run.result["n_created"] == 1
    skipped = {one["name"]: one["code"] for one in run.result["skipped"]}
    assert skipped == {"big.txt": "too_large", "loop.txt": "not_opened", "gone.txt": "not_opened"}


def test_names_of_another_encoding_are_read(empty: Collection, tmp_path: Path) -> None:
    for raw in ("금형.txt".encode("cp949"), b"\xff\xfe.txt"):
        path = os.fsencode(tmp_path) + b"/" + raw
        Path(os.fsdecode(path)).write_text(f"이름 {len(raw)}")

    assert imported(empty, tmp_path).result["n_created"] == 2

    assert Document.objects.filter(external_id="금형.txt").exists()


def test_names_that_are_one_in_unicode_do_not_replace_each_other(
    empty: Collection, tmp_path: Path
) -> None:
    for encoding in ("cp949", "utf-8"):
        path = os.fsencode(tmp_path) + b"/" + "금형.txt".encode(encoding)
        Path(os.fsdecode(path)).write_text(f"이름 {encoding}")

    run = imported(empty, tmp_path)

    assert (run.result["n_created"], run.result["n_skipped"]) == (1, 1)
    assert [one["name"] for one in run.result["skipped"]] == ["금형.txt"]


def test_what_a_file_says_of_itself_is_read_in_its_encoding(
    empty: Collection, tmp_path: Path
) -> None:
    text = "---\nid: 기공\ntitle: 기공 대책\ntaxonomy: 결함/기공\n---\n# 본문\n\n기공을 없앤다.\n"
    (tmp_path / "old.md").write_bytes(text.encode("cp949"))
    (tmp_path / "new.md").write_bytes(text.replace("기공", "수축").encode("utf-16"))

    imported(empty, tmp_path)

    kept = set(Document.objects.values_list("external_id", "title", "taxonomy"))
    assert kept == {("기공", "기공 대책", "결함/기공"), ("수축", "수축 대책", "결함/수축")}


def test_two_files_of_one_identifier_are_named(empty: Collection, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\nid: gate\n---\nThe first text.")
    (tmp_path / "b.md").write_text("---\nid: gate\n---\nAnother text.")

    result = imported(empty, tmp_path).result

    assert (result["n_files"], result["n_created"]) == (2, 1)
    assert [(one["name"], one["code"]) for one in result["skipped"]] == [("b.md", "same_id")]
    assert "a.md" in result["skipped"][0]["message"]
    assert Document.objects.get(external_id="gate").source_name == "a.md"


def test_a_second_import_changes_only_what_changed(empty: Collection, folder: Path) -> None:
    imported(empty, folder)
    empty.refresh_from_db()
    before = empty.sequence
    (folder / "limits.csv").write_text("part,limit\nsleeve,0.3 mm\n")

    run = imported(empty, folder)

    empty.refresh_from_db()
    assert (run.result["n_created"], run.result["n_updated"], run.result["n_unchanged"]) == (
        0,
        1,
        5,
    )
    assert empty.sequence == before + 1


def test_an_import_has_the_first_index_built(empty: Collection, folder: Path) -> None:
    imported(empty, folder)

    done(Run.objects.get(kind=BUILD_INDEX))

    wait_for(lambda: is_held(empty), 60)
    hits = searching.search("plant", "진공밸브청소").result.hits
    assert hits[0].passage.document_id == "copy.txt"


def test_a_single_file_that_cannot_be_read_fails_its_run(empty: Collection) -> None:
    run = done(
        dispatch.import_file(
            collection=empty, content=b"not a pdf at all", name="scan.pdf", actor=ACTOR
        )
    )

    assert (run.state, run.error_code) == (State.FAILED, "not_what_it_says")
    assert "scan.pdf" in run.error_message


def test_a_single_file_keeps_what_was_said_of_it(empty: Collection) -> None:
    run = dispatch.import_file(
        collection=empty,
        content=HEAD.encode(),
        name="gate.md",
        actor=ACTOR,
        external_id="g-1",
        taxonomy="other",
        metadata={"line": 3},
    )

    assert done(run).result["n_created"] == 1
    kept = Document.objects.get(external_id="g-1")
    sent = RunArtifact.objects.get(run=run, name=uploads.INPUT)
    assert (kept.taxonomy, kept.metadata["line"], kept.source) == ("other", 3, sent.artifact)


def test_a_folder_without_files_is_refused(empty: Collection, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is no folder with files"):
        dispatch.import_folder(collection=empty, folder=tmp_path / "nowhere", actor=ACTOR)


def test_text_that_begins_with_a_rule_has_no_head() -> None:
    assert frontmatter.read("---\nno end") == frontmatter.Head()
    assert frontmatter.read("plain: text") == frontmatter.Head()
    assert frontmatter.read("---\ndate: soon\n---\n").date is None


def test_the_shipped_knowledge_base_answers_its_judged_queries(transactional_db: None) -> None:
    collection = knowledge.ensure()
    n_judged = knowledge.ensure_judgements(collection)
    run = done(
        dispatch.import_folder(
            collection=collection, folder=knowledge.FOLDER, actor=ACTOR, pattern="*.md"
        )
    )
    build = done(Run.objects.get(kind=BUILD_INDEX))

    assert (run.result["n_skipped"], run.result["n_created"] >= 40) == (0, True)
    assert build.result["outcome"] == "started", build.error_message
    assert build.result["relevance"]["judged"]["n"] == n_judged >= 40
    assert build.result["relevance"]["judged"]["ndcg_at_10"] > 0.6
    kept = RelevanceCheck.objects.get(collection=collection)
    assert kept.n_judged == n_judged
    assert kept.ndcg_at_10 == build.result["relevance"]["judged"]["ndcg_at_10"]

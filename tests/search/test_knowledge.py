"""The knowledge base that the portal ships: its form, what it covers, and whether it is found."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import search
from predictions.engine.features import DEFECT_KINDS, FEATURE_NAMES
from search.engine.building import build
from search.engine.cutting import cut
from search.engine.index import open_index
from search.engine.options import BuildOptions
from search.engine.readers.reading import read
from search.engine.tuning import Judged, evaluate

FOLDER = Path(search.__file__).parent / "knowledge"
KEYS = ["id", "title", "taxonomy", "type", "date", "tags"]
TYPES = {
    "defect", "parameter", "process", "machine", "mold", "inspection", "safety", "practice",
}  # fmt: skip
FILES = sorted(FOLDER.glob("*.md"))


def _front(path: Path) -> tuple[dict[str, str], str]:
    opening, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    assert opening == "", path
    pairs = [line.split(": ", 1) for line in front.splitlines()]
    assert [key for key, _ in pairs] == KEYS, path
    return {key: value.strip() for key, value in pairs}, body


DOCUMENTS = [_front(path) for path in FILES]


def _tags(front: dict[str, str]) -> set[str]:
    return {tag.strip() for tag in front["tags"].split(",")}


def _judged() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((FOLDER / "judged.json").read_text(encoding="utf-8"))
    return rows


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_document_keeps_the_form(path: Path) -> None:
    front, body = _front(path)
    assert front["id"] == path.stem
    assert re.fullmatch(r"[a-z0-9-]+", front["id"])
    assert front["type"] in TYPES
    assert 2 <= len(front["taxonomy"].split("/")) <= 4
    assert all(front["taxonomy"].split("/"))
    date.fromisoformat(front["date"])
    assert body.lstrip().startswith(f"# {front['title']}\n")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_document_speaks_korean_and_sums_up_in_english(path: Path) -> None:
    _, body = _front(path)
    korean, english = body.split("## English summary\n")
    assert 250 <= len(body.split()) <= 700
    assert len(re.findall(r"[가-힣]+", korean)) >= 120
    assert len(re.findall(r"[A-Za-z]+", english)) >= 70
    assert not re.search(r"[가-힣]", english)


def test_there_are_enough_documents_and_no_two_share_an_id() -> None:
    ids = [front["id"] for front, _ in DOCUMENTS]
    assert len(ids) >= 44
    assert len(set(ids)) == len(ids)
    assert len({front["title"] for front, _ in DOCUMENTS}) == len(ids)


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_every_feature_has_one_document_of_its_own(name: str) -> None:
    about = [
        (front, body)
        for front, body in DOCUMENTS
        if front["type"] == "parameter" and name in _tags(front)
    ]
    assert len(about) == 1
    front, body = about[0]
    assert name in body
    assert name in _tags(front)


def test_every_kind_of_defect_has_a_document() -> None:
    tags = [_tags(front) for front, _ in DOCUMENTS if front["type"] == "defect"]
    assert all(any(kind.name in known for known in tags) for kind in DEFECT_KINDS)


def test_judged_queries_name_documents_that_exist() -> None:
    ids = {front["id"] for front, _ in DOCUMENTS}
    rows = _judged()
    queries = [row["query"] for row in rows]
    assert len(rows) >= 60
    assert len(set(queries)) == len(queries)
    for row in rows:
        assert set(row) == {"query", "gains"}
        assert set(row["gains"]) <= ids, row
        assert set(row["gains"].values()) <= {1, 2, 3}, row
        assert 3 in row["gains"].values(), row


def test_judged_queries_come_in_korean_without_spaces_and_in_english() -> None:
    queries = [row["query"] for row in _judged()]
    korean = [query for query in queries if re.search(r"[가-힣]", query)]
    assert len([query for query in korean if " " in query]) >= 30
    assert len([query for query in korean if " " not in query]) >= 6
    assert len(queries) - len(korean) >= 15


def test_the_knowledge_base_answers_its_judged_queries(tmp_path: Path) -> None:
    passages = [
        passage
        for front, body in DOCUMENTS
        for passage in cut(
            read(body.encode(), name=f"{front['id']}.md"),
            document_id=front["id"],
            title=front["title"],
            taxonomy=front["taxonomy"],
            content_type=front["type"],
        )
    ]
    build(passages, tmp_path / "index", BuildOptions(seed=1))
    index = open_index(tmp_path / "index")
    try:
        judged = [Judged(row["query"], row["gains"]) for row in _judged()]
        quality = evaluate(index, judged, by="document")
    finally:
        index.close()
    # Ours: measured once, with room for other versions of the libraries below the engine.
    assert quality.ndcg_at_10 >= 0.7
    assert quality.mrr >= 0.7

"""Words that only say how is asked are left out, and nothing else is."""

from pathlib import Path

import pytest

from search.engine.building import build
from search.engine.fillers import without
from search.engine.index import open_index
from search.engine.options import BuildOptions
from search.engine.passages import Passage


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("기포가 생기는 원인", "기포가 원인"),
        ("기포가 왜 생기나요?", "기포가"),
        ("왜 생기나요?", "왜 생기나요?"),
        ("기포가생기는원인", "기포가생기는원인"),
        ("what is porosity", "what is porosity"),
        ("왜 ?", "왜 ?"),
        ("", ""),
    ],
)
def test_fillers_are_left_out_unless_there_is_nothing_else(query: str, left: str) -> None:
    assert without(query) == left


def test_what_is_asked_about_weighs_more_than_how_it_is_asked(tmp_path: Path) -> None:
    about = [Passage(f"a{n}", f"a{n}", f"기포 {n}번 금형의 원인은 공기이다.") for n in range(8)]
    others = [Passage("o", "o", "긁힘이 생기는 원인", title="긁힘의 원인")]
    build([*about, *others], tmp_path / "index", BuildOptions(embedder=None))
    index = open_index(tmp_path / "index")
    try:
        hits = index.search("기포가 생기는 원인", "lexical").hits
    finally:
        index.close()
    assert hits[0].passage.document_id != "o"

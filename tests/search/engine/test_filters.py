"""Filters: DuckDB, the tags of the lexical index and plain Python agree."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.engine.building import build
from search.engine.filters import ancestors, matches, parse
from search.engine.index import Index, open_index
from search.engine.options import BuildOptions, EmbedderSpec
from search.engine.passages import Passage
from tests.search.engine.collection import generated

N = 400
PASSAGES = list(generated(N))
_CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "tenth": st.one_of(
        st.integers(0, 11),
        st.lists(st.integers(0, 11), min_size=1, max_size=3),
        st.fixed_dictionaries({"gte": st.integers(0, 9)}, optional={"lt": st.integers(0, 9)}),
    ),
    "half": st.booleans(),
    "content_type": st.sampled_from(["pdf", "csv", "none"]),
    "document_id": st.lists(st.sampled_from(["g1", "g7", "absent"]), min_size=1, max_size=2),
    "taxonomy": st.sampled_from(["공정", "공정/금형", "없는/길"]),
    "date": st.fixed_dictionaries(
        {}, optional={"gt": st.just("2026-02-01"), "lte": st.just("2026-06-30")}
    ).filter(bool),
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("filters") / "index"
    embedder = EmbedderSpec("lsa", {"dimensions": 16})
    build(PASSAGES, folder, BuildOptions(embedder=embedder, exact_below=100, n_validation=0))
    index = open_index(folder)
    yield index
    index.close()


@settings(max_examples=40)
@given(filters=st.fixed_dictionaries({}, optional=_CONDITIONS))
def test_filters_mean_the_same_everywhere(large: Index, filters: dict[str, Any]) -> None:
    conditions = parse(filters, large.fields)
    expected = {one.id for one in PASSAGES if matches(conditions, one)}
    by_vector = large.search("금형 냉각수 온도", "vector", N, filters)
    assert {hit.passage.id for hit in by_vector.hits} == expected
    # Every passage holds "점검" in its title, so the lexical leg returns all that are allowed.
    by_words = large.search("점검", "lexical", N, filters)
    assert {hit.passage.id for hit in by_words.hits} == expected


@pytest.mark.parametrize("share", [{"hundredth": 3}, {"tenth": 3}, {"half": True}, {}])
@pytest.mark.parametrize("mode", ["hybrid", "vector"])
def test_k_rows_come_whatever_the_selectivity(
    large: Index, share: dict[str, Any], mode: str
) -> None:
    allowed = {"hundredth": 4}.get(next(iter(share), ""), 10)
    assert len(large.search("런너 코어핀", mode, 10, share).hits) == allowed


def test_ancestors_by_hand() -> None:
    assert ancestors("a/b/c") == ["a", "a/b", "a/b/c"]
    assert ancestors("") == []


def test_a_path_is_no_prefix_of_a_longer_word() -> None:
    condition = parse({"taxonomy": "공정/금"}, {"taxonomy": "path"})
    assert not matches(condition, Passage("a", "d", "x", taxonomy="공정/금형"))


def test_a_field_of_several_values_matches_by_any(tmp_path: Path) -> None:
    metadata: dict[str, Any] = {"machines": ["DC-1", "DC-2"], "mixed": 3}
    given_passages = [
        Passage("a", "a", "기공", metadata=metadata),
        Passage("b", "b", "기공", metadata={"machines": [], "mixed": "three"}),
    ]
    build(given_passages, tmp_path / "a", BuildOptions(embedder=None))
    index = open_index(tmp_path / "a")
    assert index.fields["mixed"] == "mixed"
    for filters in ({"machines": "DC-2"}, {"mixed": 3}, {"mixed": 3.0}, {"mixed": {"lt": 4}}):
        assert [hit.passage.id for hit in index.search("기공", filters=filters).hits] == ["a"]
    assert index.facets("machines") == [("DC-1", 1), ("DC-2", 1)]
    index.close()


@pytest.mark.parametrize("value", ["'; DROP TABLE passages; --", '" OR 1=1', "%", "\x00"])
def test_no_value_is_a_command(large: Index, value: str) -> None:
    assert large.search("금형", filters={"document_id": value}).hits == ()
    assert large.search("금형").hits


def test_a_date_may_be_given_as_a_date(large: Index) -> None:
    day = datetime.date(2026, 1, 1)
    found = large.search("금형", "vector", 100, {"date": {"lte": day}})
    assert {hit.passage.date for hit in found.hits} == {day}


def test_facets_count_what_the_filters_leave(large: Index) -> None:
    counts = dict(large.facets("content_type", {"half": True}))
    expected = [one.content_type for one in PASSAGES if one.metadata["half"]]
    assert counts == {kind: expected.count(kind) for kind in ("pdf", "markdown", "csv")}

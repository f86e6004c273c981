"""An index from documents to hits: built by a run, live by itself, followed, rolled back."""

import gc
import weakref

import pytest

from portal.core.errors import InvalidInput, NotFound, Unavailable
from portal.registry import selectors
from portal.registry.models import AliasMove, ModelVersion
from portal.runs.models import State
from search.models import Collection
from search.services import collections, documents, folders, searching
from search.services.documents import Incoming
from tests.search.conftest import ACTOR, DEFECTS, Build, incoming
from tests.waiting import wait_for

PATIENCE_S = 60


def first(query: str, collection: str = "defects") -> str | None:
    hits = searching.search(collection, query).result.hits
    return hits[0].passage.document_id if hits else None


def wait_held(number: int) -> None:
    wait_for(lambda: searching.held("defects").version == number, PATIENCE_S)


def test_the_first_index_goes_live_by_itself_and_answers(build: Build) -> None:
    run = build()

    assert (run.state, run.result["outcome"]) == (State.SUCCEEDED, "started"), run.error_message
    move = AliasMove.objects.get(model__name="search-defects")
    assert (move.kind, move.actor) == ("bootstrap", "millwright")
    found = searching.search("defects", "기포 원인")
    assert found.result.hits[0].passage.document_id == "blow-hole"
    assert (found.version, found.collection) == (1, "defects")
    assert first("raise the mold temperature") == "cold-shut"


def test_a_version_says_what_it_holds_and_how_well_it_was_validated(build: Build) -> None:
    build()
    version = ModelVersion.objects.get(model__name="search-defects")

    assert version.evaluation["n_documents"] == len(DEFECTS)
    assert version.evaluation["validation"]["recall_at_10"] >= 0.9
    assert version.evaluation["relevance"]["known_item"]["n"] >= 5
    assert version.settings["through"] == len(DEFECTS)
    assert "manifest.json" in version.artifact_digests
    assert not list((folders.root() / "building").iterdir())


def test_a_version_of_a_smaller_collection_does_not_win_by_having_less_to_choose_from(
    build: Build, collection: Collection
) -> None:
    build()
    grown = [
        Incoming(f"{name}-{number}", f"{text[: len(text) // 2]} Reported by shift {number}.")
        for name, text in DEFECTS.items()
        for number in range(20)
    ]
    documents.upsert(collection=collection, documents=grown, actor=ACTOR)

    assert build().result["outcome"] == "applied"


def test_changes_are_searchable_without_a_build(build: Build, collection: Collection) -> None:
    build()
    assert first("scratched surface") != "scratch"

    documents.upsert(
        collection=collection,
        documents=[Incoming("scratch", "A scratched surface comes from a dirty conveyor.")],
        actor=ACTOR,
    )
    wait_for(lambda: first("scratched surface") == "scratch", PATIENCE_S)
    documents.delete(collection=collection, external_ids=["scratch"], actor=ACTOR)
    wait_for(lambda: first("scratched surface conveyor") != "scratch", PATIENCE_S)

    assert searching.held("defects").sequence == len(DEFECTS) + 2


def test_a_rebuild_of_the_same_configuration_passes_its_gate_and_replaces_the_index(
    build: Build, collection: Collection
) -> None:
    build()
    old = weakref.ref(searching.held("defects").index)
    documents.upsert(
        collection=collection, documents=[Incoming("scratch", "A scratched surface.")], actor=ACTOR
    )

    run = build()

    assert run.result["outcome"] == "applied", run.result
    wait_held(2)
    assert first("scratched surface") == "scratch"
    assert searching.held("defects").index.n_delta == 0

    def is_gone() -> bool:
        gc.collect()
        return old() is None

    wait_for(is_gone, PATIENCE_S)


def test_an_index_built_in_another_way_waits_for_a_person(
    build: Build, collection: Collection
) -> None:
    build()
    collections.configure(
        collection=collection, options={"cutting": {"target_chars": 300}}, actor=ACTOR
    )

    run = build()

    assert run.result["outcome"] == "other_configuration"
    live = selectors.champion("search-defects")
    assert live is not None
    assert live.number == 1


def test_without_an_index_a_search_says_what_to_do(collection: Collection) -> None:
    with pytest.raises(NotFound, match="There is no collection “other”"):
        searching.search("other", "기포")


@pytest.mark.django_db(transaction=True)
def test_a_collection_that_was_never_indexed_is_unavailable(collection: Collection) -> None:
    def code() -> str:
        with pytest.raises(Unavailable) as raised:
            searching.search("defects", "기포")
        return raised.value.specific_code

    wait_for(lambda: code() == "no_index", PATIENCE_S)


def test_a_wrong_query_is_the_callers_to_mend(build: Build) -> None:
    build()
    with pytest.raises(InvalidInput) as raised:
        searching.search("defects", "기포", filters={"colour": "red"})
    assert raised.value.specific_code == "unknown_field"
    assert raised.value.problems[0].code == "unknown_field"


def test_the_key_of_caches_changes_with_version_and_documents(
    build: Build, collection: Collection
) -> None:
    build()
    before = searching.state("defects")

    documents.upsert(
        collection=collection, documents=incoming({"flash": "Flash leaks."}), actor=ACTOR
    )

    wait_for(lambda: searching.state("defects") != before, PATIENCE_S)

"""Documents under their identifiers: what counts as a change, what is refused, what is alike."""

from threading import Thread
from typing import Any

import pytest
from django.db import OperationalError, connection

from portal.core.errors import Conflict, InvalidInput, NotFound
from search.models import Click, Collection, Document, SearchRecord
from search.services import collections, documents, judgements, querylog
from search.services.documents import Incoming
from tests.search.conftest import ACTOR, DEFECTS, incoming


def upsert(collection: Collection, *given: Incoming, **options: Any) -> documents.Upserted:
    return documents.upsert(collection=collection, documents=given, actor=ACTOR, **options)


def test_the_same_document_again_is_no_change(collection: Collection) -> None:
    done = upsert(collection, *incoming(DEFECTS))

    assert (done.n_created, done.n_updated, done.n_unchanged) == (0, 0, len(DEFECTS))
    assert done.sequence == len(DEFECTS)


def test_a_changed_document_takes_the_next_number(collection: Collection) -> None:
    done = upsert(collection, Incoming("flash", "Flash is metal that leaks.", title="flash"))

    assert (done.n_updated, done.sequence) == (1, len(DEFECTS) + 1)
    assert Document.objects.get(external_id="flash").sequence == len(DEFECTS) + 1


def test_a_deleted_document_leaves_a_row_without_text_and_may_come_back(
    collection: Collection,
) -> None:
    assert documents.delete(collection=collection, external_ids=["flash", "?"], actor=ACTOR) == 1
    row = Document.objects.get(external_id="flash")
    assert (row.is_deleted, row.blocks, row.sequence) == (True, [], len(DEFECTS) + 1)
    with pytest.raises(NotFound):
        documents.get(collection=collection, external_id="flash")

    assert upsert(collection, Incoming("flash", DEFECTS["flash"])).n_created == 1
    assert documents.get(collection=collection, external_id="flash").n_chars > 0


def test_documents_of_the_same_text_are_found(collection: Collection) -> None:
    again = Incoming("flash-2", DEFECTS["flash"])

    skipped = upsert(collection, again, duplicates="skip")
    kept = upsert(collection, again, duplicates="keep")

    assert skipped.duplicates == kept.duplicates == (("flash-2", "flash"),)
    assert (skipped.n_created, kept.n_created) == (0, 1)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (Incoming("", "text"), "documents[1].external_id"),
        (Incoming("a", ""), "documents[1].text"),
        (Incoming("a", "\x00 \x07"), "documents[1].text"),
        (Incoming("a" * 501, "text"), "documents[1].external_id"),
        (Incoming("a", "text", metadata={"title": "x"}), "documents[1].metadata"),
        (Incoming("a", "text", metadata={"deep": {"x": 1}}), "documents[1].metadata"),
        (Incoming("a", "text", metadata={"n": float("nan")}), "documents[1].metadata"),
    ],
)
def test_one_wrong_document_is_named_and_none_is_kept(
    collection: Collection, given: Incoming, field: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        upsert(collection, Incoming("good", "A good one."), given)

    assert raised.value.problems[0].field == field
    assert not Document.objects.filter(external_id="good").exists()


def test_odd_characters_are_kept_or_cleaned_never_an_error(collection: Collection) -> None:
    upsert(collection, Incoming("odd\x00", "\ud800 🙂 '; DROP TABLE --", metadata={"k": "\ud800"}))

    row = Document.objects.get(external_id="odd")
    assert "🙂" in row.blocks[0]["text"]
    assert "DROP TABLE" in row.blocks[0]["text"]


def test_a_thousand_and_one_documents_are_refused(collection: Collection) -> None:
    with pytest.raises(InvalidInput, match="1001 documents were sent"):
        upsert(collection, *(Incoming(str(number), "x") for number in range(1001)))


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_get_numbers_without_gaps(collection: Collection) -> None:
    def write(name: str) -> None:
        try:
            for number in range(10):
                upsert(collection, Incoming(f"{name}-{number}", f"{name} writes {number}"))
        finally:
            connection.close()

    writers = [Thread(target=write, args=(name,)) for name in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    numbers = Document.objects.order_by("sequence").values_list("sequence", flat=True)
    assert list(numbers) == list(range(1, len(DEFECTS) + 21))


@pytest.mark.parametrize("name", ["", "Upper", "two--dashes", "-x", "x" * 61, "기포", "a b"])
def test_a_collection_has_a_plain_name(db: None, name: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        collections.create(name=name, actor=ACTOR)
    assert raised.value.problems[0].field == "name"


def test_a_name_is_taken_once(collection: Collection) -> None:
    with pytest.raises(Conflict, match="There is a collection “defects” already"):
        collections.create(name="defects", actor=ACTOR)


@pytest.mark.parametrize(
    "options",
    [
        {"colour": 1},
        {"build": {"hnsw_m": 1}},
        {"build": 3},
        {"build": {"embedder": {}}},
        {"cutting": {"target_chars": 1}},
        {"cutting": {"unknown": 1}},
    ],
)
def test_wrong_options_are_refused(db: None, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        collections.create(name="plant", options=options, actor=ACTOR)
    assert not Collection.objects.exists()


def test_a_judgement_replaces_the_one_before(collection: Collection) -> None:
    judgements.save(collection=collection, query=" 기포  원인 ", gains={"a": 1}, actor=ACTOR)
    judgements.save(collection=collection, query="기포 원인", gains={"blow-hole": 3}, actor=ACTOR)

    assert [dict(one.gains) for one in judgements.load(collection)] == [{"blow-hole": 3}]


def test_a_deleted_document_is_no_answer_any_more(collection: Collection) -> None:
    for query, gains in {"기포": {"blow-hole": 3, "flash": 1}, "플래시": {"flash": 3}}.items():
        judgements.save(collection=collection, query=query, gains=gains, actor=ACTOR)
    documents.delete(collection=collection, external_ids=["flash"], actor=ACTOR)

    assert [dict(one.gains) for one in judgements.load(collection)] == [{"blow-hole": 3}]


@pytest.mark.parametrize("gains", [{}, {"a": 0}, {"a": 4}, {"a": True}])
def test_a_judgement_with_another_gain_is_refused(
    collection: Collection, gains: dict[str, int]
) -> None:
    with pytest.raises(InvalidInput):
        judgements.save(collection=collection, query="기포", gains=gains, actor=ACTOR)


def test_a_list_of_judgements_is_kept_whole_or_not_at_all(collection: Collection) -> None:
    rows: list[dict[str, Any]] = [{"query": "기포", "gains": {"a": 1}}, {"query": "수축"}]
    with pytest.raises(InvalidInput, match="Row 1"):
        judgements.import_list(collection=collection, rows=rows, actor=ACTOR)
    assert not judgements.load(collection)


def entry(collection: Collection, query: str, **more: Any) -> querylog.Entry:
    """Give a search as the log notes it."""
    usual: dict[str, Any] = {
        "id": querylog.new_id(),
        "mode": "hybrid",
        "top_k": 10,
        "version": 1,
        "n_hits": 1,
        "took_ms": 1.5,
    }
    return querylog.Entry(collection_id=collection.pk, query=query, **usual | more)


def test_queries_are_written_in_batches_and_clicks_once(collection: Collection) -> None:
    made = querylog.new_id()
    log = querylog.Log()
    log._start = lambda: None  # type: ignore[method-assign] # no thread beside the transaction
    log.note(entry(collection, "기포", id=made))

    assert (log.flush(), log.flush()) == (1, 0)
    for _ in range(2):
        querylog.click(search_id=made, collection=collection, external_id="flash", rank=2)

    assert made.version == 7
    assert SearchRecord.objects.get().query == "기포"
    assert Click.objects.get().rank == 2


def test_a_query_that_the_database_cannot_hold_does_not_stop_the_log(
    collection: Collection,
) -> None:
    log = querylog.Log()
    log._start = lambda: None  # type: ignore[method-assign] # no thread beside the transaction
    for query in ("기포", "NUL \x00", "half \ud800", "수축"):
        log.note(
            entry(
                collection,
                query,
                filters={"plant": ["A", None, 1.5]},
                document_ids=["flash"],
            )
        )

    assert (log.flush(), log.flush()) == (2, 0)
    records = SearchRecord.objects.all()
    assert {one.query for one in records} == {"기포", "수축"}
    assert records[0].filters == {"plant": ["A", None, 1.5]}
    assert records[0].document_ids == ["flash"]


def test_a_lost_query_is_counted_once_when_those_behind_it_must_wait(
    collection: Collection,
) -> None:
    log = querylog.Log()
    log._start = lambda: None  # type: ignore[method-assign] # no thread beside the transaction
    for query in ("NUL \x00", "기포", "수축"):
        log.note(entry(collection, query))
    n_tried = 0

    def away_at_the_third(execute: Any, sql: str, *rest: Any) -> Any:
        """Let the database go while the second record is written by itself."""
        nonlocal n_tried
        is_record = sql.startswith("INSERT")
        n_tried += is_record
        if is_record and n_tried == 3:
            raise OperationalError("the server closed the connection")
        return execute(sql, *rest)

    lost = querylog.LOST.labels().value
    with connection.execute_wrapper(away_at_the_third), pytest.raises(OperationalError):
        log.flush()
    assert log.flush() == 2
    assert querylog.LOST.labels().value == lost + 1
    assert {one.query for one in SearchRecord.objects.all()} == {"기포", "수축"}


def test_an_entry_of_the_log_has_all_columns_of_a_record() -> None:
    columns = {one.column for one in SearchRecord._meta.concrete_fields}
    assert set(querylog.Entry.__struct_fields__) == columns

"""The pages of search: asking, collections, documents, judging, the log."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from portal.runs.models import Run
from search.admin import tree
from search.admin.forms import SearchForm
from search.models import Click, Collection, Document, SearchRecord
from search.services import collections, documents, judgements, querylog, quotas
from tests.console.conftest import person, signed_in
from tests.search.conftest import ACTOR, Build, incoming
from tests.search.pages import VIEWS, granted, is_held, noted, page_of
from tests.waiting import wait_for

__all__ = ["person", "signed_in"]

PATIENCE_S = 60
SignedIn = Callable[..., Client]
ANSWER = "/admin/search/collection/answer/"
SEARCH = "/admin/search/collection/search/"


def test_without_a_collection_the_search_page_says_the_first_step(
    db: None, signed_in: SignedIn
) -> None:
    Collection.objects.all().delete()
    assert "Nothing to search yet" in signed_in("viewer").get(SEARCH).text
    assert "Make a collection</a>" in signed_in("operator").get(SEARCH).text


def test_without_an_index_the_search_page_says_so(
    collection: Collection, signed_in: SignedIn
) -> None:
    client, asked = signed_in("viewer"), {"collection": "defects", "q": "flash"}
    # On a busy machine the first look for an index takes longer than a request waits for it.
    wait_for(lambda: "There is no index yet" in client.get(SEARCH, asked).text, PATIENCE_S)
    assert client.get(SEARCH, asked).status_code == 503
    card = client.get(ANSWER, asked)
    assert card.status_code == 503
    assert "No answer was made" in card.text
    assert client.get(ANSWER, {"q": " "}).status_code == 422


def test_the_search_page_keeps_to_quotas(
    collection: Collection, signed_in: SignedIn, settings: Settings
) -> None:
    settings.QUERIES_PER_MINUTE = 1
    quotas._limiter.cache_clear()
    client, asked = signed_in("viewer"), {"collection": "defects", "q": "flash"}
    try:  # a new minute may begin between two of them
        answers = [client.get(path, asked) for path in (SEARCH, ANSWER) * 4]
    finally:
        quotas._limiter.cache_clear()
    spent = [one for one in answers if one.status_code == 429]
    assert spent
    assert "beyond your quota" in spent[0].text


def test_somebody_without_a_role_may_not_search(
    collection: Collection, person: Callable[..., Any]
) -> None:
    client = Client()
    client.force_login(person("nobody"))
    assert client.get(SEARCH).status_code == 403
    assert client.get(reverse("admin:search_judgedquery_grade")).status_code == 403
    assert client.get(page_of(collection)).status_code == 403


@pytest.mark.parametrize("wrong", ["since=tomorrow", "k=0", "k=1000000", "mode=magic", "k=x"])
def test_a_wrong_field_is_named_and_nothing_is_asked(
    wrong: str, collection: Collection, signed_in: SignedIn
) -> None:
    answer = signed_in("viewer").get(f"{SEARCH}?collection=defects&q=flash&{wrong}")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_filters_become_what_the_engine_takes(collection: Collection) -> None:
    given = {"q": "x", "path": "결함/flash", "kind": "pdf", "since": "2026-01-31"}
    form = SearchForm(given, [collection])
    assert form.is_valid()
    assert form.filters == {
        "taxonomy": "결함/flash",
        "content_type": "pdf",
        "date": {"gte": "2026-01-31"},
    }


def test_the_tree_counts_what_lies_below() -> None:
    roots = tree.grow([("a/b", 2), ("a", 1), ("a/c/d", 4), ("e", 3)], "a/c")
    assert [(node.path, node.n) for node in roots] == [("a", 7), ("e", 3)]
    assert [(node.path, node.n, node.is_open) for node in roots[0].children] == [
        ("a/b", 2, False),
        ("a/c", 4, True),
    ]
    assert roots[0].children[1].is_chosen
    assert tree.trail("a/c") == [("a", "a"), ("a/c", "c")]


def test_hits_come_with_marks_reasons_and_a_record(build: Build) -> None:
    build()
    wait_for(is_held, PATIENCE_S)
    client = granted("olga")
    answer = client.get(SEARCH, {"collection": "defects", "q": "Flash <b>leaks</b>", "k": "3"})
    assert answer.status_code == 200
    text = answer.text
    assert "<mark>" in text
    assert "<b>leaks" not in text
    assert "Why found" in text
    assert "BM25" in text
    flash = Document.objects.get(external_id="flash")
    assert f'href="{page_of(flash)}?passage=' in text
    assert "Show more" in text

    querylog.flush()
    record = SearchRecord.objects.get()
    assert (record.query, record.mode, record.top_k) == ("Flash <b>leaks</b>", "hybrid", 3)
    assert record.document_ids[0] == "flash"

    click = {"search": record.pk, "collection": "defects", "document": "flash", "rank": 1}
    for _again in range(2):
        assert client.post(reverse("admin:search_collection_click"), click).status_code == 204
    assert Click.objects.get().external_id == "flash"
    assert client.get(reverse("admin:search_collection_click")).status_code == 405

    again = client.get(SEARCH, {"collection": "defects", "q": "Flash <b>leaks</b>", "k": "3"})
    assert "From the cache." in again.text
    assert [hit.rank for hit in again.context["hits"]] == [1, 2, 3]
    assert again.context["hits"][0].snippet == answer.context["hits"][0].snippet

    card = client.get(ANSWER, {"collection": "defects", "q": "What is soldering?"})
    assert card.status_code == 200
    assert 'class="mw-cite"' in card.text
    refused = client.get(ANSWER, {"collection": "defects", "q": "Who won the election?"})
    assert "No passage was found" in refused.text

    narrowed = {"collection": "defects", "q": "metal", "path": "결함/soldering"}
    shown = client.get(SEARCH, narrowed).text
    assert 'data-document="soldering"' in shown
    assert 'data-document="flash"' not in shown
    nowhere = {"collection": "defects", "q": "flash", "path": "elsewhere"}
    assert "Search without filters" in client.get(SEARCH, nowhere).text


@pytest.mark.parametrize(
    "change", [{"search": "x"}, {"collection": "none"}, {"rank": "0"}, {"document": ""}]
)
def test_a_wrong_click_is_refused(
    change: dict[str, str], collection: Collection, signed_in: SignedIn
) -> None:
    click = {"search": str(uuid.uuid4()), "collection": "defects", "document": "f", "rank": "1"}
    answer = signed_in("viewer").post(reverse("admin:search_collection_click"), click | change)
    assert answer.status_code in {404, 422}
    assert not Click.objects.exists()


def test_the_collection_page_shows_versions_and_what_may_be_done(
    build: Build, collection: Collection
) -> None:
    worker, reader = granted("olga"), granted("vera", *VIEWS)
    assert "No version yet" in reader.get(page_of(collection)).text
    build()
    text = worker.get(page_of(collection)).text
    assert "version 1" in text
    assert "Build now" in text
    assert "Nothing measured yet" in text
    assert "Build now" not in reader.get(page_of(collection)).text


def test_a_build_is_asked_for_from_the_page(collection: Collection, signed_in: SignedIn) -> None:
    client = signed_in("operator")
    assert "Build a new index version?" in client.get(page_of(collection, "build")).text
    answer = client.post(page_of(collection, "build"), {"reason": "new manuals"})
    run = Run.objects.get(kind="search.build_index")
    assert answer.headers["Location"] == reverse("admin:runs_run_change", args=[run.pk])
    assert run.parameters["reason"] == "new manuals"
    assert signed_in("viewer").post(page_of(collection, "build")).status_code == 403


@pytest.mark.parametrize("name", ["evaluate", "tune"])
def test_checks_and_tuning_are_asked_for_from_the_page(
    name: str, collection: Collection, signed_in: SignedIn
) -> None:
    client = signed_in("operator")
    assert client.get(page_of(collection, name)).status_code == 200
    client.post(page_of(collection, name))
    assert Run.objects.filter(kind=f"search.{name}").count() == 1


def test_files_are_taken_one_run_each(collection: Collection, signed_in: SignedIn) -> None:
    client = signed_in("operator")
    files = [SimpleUploadedFile(f"{name}.md", b"# A title\n\nText.") for name in ("one", "two")]
    answer = client.post(page_of(collection, "upload"), {"sent": files, "taxonomy": "a/b"})
    assert answer.headers["Location"].endswith("#imports")
    runs = Run.objects.filter(kind="search.import_documents")
    assert {run.parameters["name"] for run in runs} == {"one.md", "two.md"}
    assert {run.parameters["taxonomy"] for run in runs} == {"a/b"}
    assert client.post(page_of(collection, "upload"), {"taxonomy": "a"}).status_code == 422
    assert signed_in("viewer").get(page_of(collection, "upload")).status_code == 403


def test_the_import_report_names_what_was_skipped(
    collection: Collection, signed_in: SignedIn
) -> None:
    skipped = {"name": "<i>.pdf", "code": "other", "params": {}, "message": "It is no PDF."}
    Run.objects.create(
        kind="search.import_documents",
        queue="interactive",
        parameters={"collection": "defects"},
        result={"n_created": 4, "n_updated": 0, "n_unchanged": 1, "skipped": [skipped]},
    )
    text = signed_in("viewer").get(page_of(collection)).text
    assert "4 new, 0 changed, 1 unchanged" in text
    assert "&lt;i&gt;.pdf" in text
    assert "It is no PDF." in text


def test_a_collection_is_made_and_changed(db: None, signed_in: SignedIn) -> None:
    client = signed_in("operator")
    add = reverse("admin:search_collection_add")
    assert client.post(add, {"name": "No Good", "title": "x"}).status_code == 422
    client.post(add, {"name": "manuals", "title": "Manuals"})
    made = Collection.objects.get(name="manuals")
    assert client.post(add, {"name": "manuals", "title": "Again"}).status_code == 409

    change = {"title": "All manuals", "description": "", "rebuild_percent": 25}
    client.post(page_of(made, "settings"), change)
    made.refresh_from_db()
    assert (made.title, made.rebuild_share, made.options) == ("All manuals", 0.25, {})
    client.post(page_of(made, "settings"), change | {"tokenizer": "kiwi-bigram-1"})
    made.refresh_from_db()
    assert made.options == {"build": {"tokenizer": "kiwi-bigram-1"}}
    assert "kiwi-bigram-1" in client.get(page_of(made)).text
    magic = client.post(page_of(made, "settings"), change | {"tokenizer": "magic"})
    assert "tokenizer" in magic.context["form"].errors
    assert signed_in("viewer").get(add).status_code == 403


def test_a_document_is_shown_escaped_and_deleted(
    collection: Collection, signed_in: SignedIn
) -> None:
    documents.upsert(
        collection=collection,
        documents=incoming({"evil": "<script>alert(1)</script>"}),
        actor=ACTOR,
    )
    row = Document.objects.get(external_id="evil")
    client = signed_in("operator")
    answer = client.get(page_of(row), {"passage": "gone"})
    assert "<script>alert(1)" not in answer.text
    assert "no longer part of this document" in answer.text
    assert client.get(reverse("admin:search_document_changelist"), {"q": "evil"}).status_code == 200

    assert signed_in("viewer").post(page_of(row, "remove")).status_code == 403
    client.post(page_of(row, "remove"))
    row.refresh_from_db()
    assert row.is_deleted
    assert client.get(page_of(row)).status_code == 404


def test_the_log_shows_what_was_asked_and_opened(
    collection: Collection, signed_in: SignedIn
) -> None:
    record = noted(collection, "<b>flash</b>", degraded=["vector: no answer"])
    querylog.click(search_id=record.pk, collection=collection, external_id="flash", rank=1)
    client = signed_in("viewer")
    listed = client.get(reverse("admin:search_searchrecord_changelist"), {"found": "some"}).text
    assert "&lt;b&gt;flash" in listed
    assert "degraded" in listed
    text = client.get(page_of(record)).text
    assert "vector: no answer" in text
    assert "hit 1" in text


def test_lists_ask_as_many_queries_for_many_rows_as_for_few(
    collection: Collection, signed_in: SignedIn
) -> None:
    client = signed_in("viewer")

    def n_queries(address: str) -> int:
        client.get(address)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert client.get(address).status_code == 200
        return len(asked)

    addresses = [
        reverse(f"admin:search_{name}_changelist")
        for name in ("collection", "document", "searchrecord", "judgedquery")
    ]
    before = [n_queries(address) for address in addresses]
    for place in range(4):
        made = collections.create(name=f"more-{place}", title=f"More {place}", actor=ACTOR)
        documents.upsert(collection=made, documents=incoming({"a": "A text."}), actor=ACTOR)
        judgements.save(collection=made, query="q", gains={"a": 3}, actor=ACTOR)
        noted(made, "q")
    assert [n_queries(address) for address in addresses] == before

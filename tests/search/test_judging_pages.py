"""The pages on which people judge what was found."""

import json
from collections.abc import Callable

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from search.models import Collection, JudgedQuery
from search.services import judgements
from tests.console.conftest import person, signed_in
from tests.search.conftest import ACTOR, Build
from tests.search.pages import VIEWS, granted, is_held, noted, page_of
from tests.waiting import wait_for

__all__ = ["person", "signed_in"]

PATIENCE_S = 60
SignedIn = Callable[..., Client]


def test_grades_are_kept_changed_and_withdrawn(build: Build) -> None:
    build()
    wait_for(is_held, PATIENCE_S)
    client = granted("olga")
    grade = reverse("admin:search_judgedquery_grade")
    text = client.get(grade, {"collection": "defects", "q": "metal leaks"}).text
    assert 'value="flash"' in text
    assert 'name="grade-0"' in text
    nothing = client.get(grade, {"collection": "defects", "q": "metal\x00leaks"})
    assert nothing.status_code == 200

    sent = {"collection": "defects", "q": "metal  leaks", "document": ["flash", "soldering"]}
    client.post(grade, {**sent, "grade-0": "3", "grade-1": "0", "note": "asked by the night shift"})
    judged = JudgedQuery.objects.get()
    assert (judged.query, judged.gains) == ("metal leaks", {"flash": 3})
    shown = client.get(page_of(judged), follow=True).text
    assert 'value="3" checked' in shown
    assert "asked by the night shift" in shown

    client.post(grade, {**sent, "grade-0": "0", "grade-1": "0"})
    assert not JudgedQuery.objects.exists()
    refused = client.post(grade, {**sent, "grade-0": "0"}, follow=True).text
    assert "0 documents are named" in refused
    assert granted("vera", *VIEWS).post(grade, {**sent, "grade-0": "3"}).status_code == 403


def test_the_grading_page_offers_what_is_asked_often(
    collection: Collection, signed_in: SignedIn
) -> None:
    for query in ("flash", "flash", "burrs", "judged"):
        noted(collection, query)
    judgements.save(collection=collection, query="judged", gains={"flash": 2}, actor=ACTOR)
    page = reverse("admin:search_judgedquery_grade")
    answer = signed_in("viewer").get(page, {"collection": "defects"})
    assert answer.context["often"] == [{"query": "flash", "n": 2}, {"query": "burrs", "n": 1}]


def test_a_list_of_judgements_is_kept_whole_or_not_at_all(
    collection: Collection, signed_in: SignedIn
) -> None:
    client = signed_in("operator")
    address = reverse("admin:search_judgedquery_upload")

    def send(rows: object) -> int:
        file = SimpleUploadedFile("judged.json", json.dumps(rows).encode())
        return client.post(address, {"collection": collection.pk, "file": file}).status_code

    assert send({"no": "list"}) == 422
    assert send([{"query": "a", "gains": {"flash": 3}}, {"query": "b", "gains": {"x": 9}}]) == 422
    assert not JudgedQuery.objects.exists()
    assert send([{"query": "a", "gains": {"flash": 3}}]) == 302
    assert JudgedQuery.objects.count() == 1
    assert client.get(reverse("admin:search_judgedquery_changelist")).status_code == 200

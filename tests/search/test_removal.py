"""Deleting a collection: what goes at once, what stays as history, who may, when it is refused."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from portal.core.errors import NotFound
from portal.core.models import AuditEntry, User
from portal.core.roles import ADMINISTRATOR
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.models import ModelVersion, RegisteredModel
from portal.runs.models import Artifact
from search import dispatch
from search.models import Collection, Document, JudgedQuery
from search.services import collections, documents, judgements, removal, searching
from search.services.family import FAMILY_NAME
from tests.search.api.conftest import Key, make_key
from tests.search.conftest import ACTOR, Build, done, incoming
from tests.waiting import wait_for

__all__ = ["make_key"]

PATH = "/api/v1/collections/defects/"
PATIENCE_S = 60.0


def is_gone() -> bool:
    try:
        searching.held("defects")
    except NotFound:
        return True
    return False


def test_a_deleted_collection_is_found_no_more_and_its_name_is_free(
    build: Build, collection: Collection
) -> None:
    build()
    judged = [{"query": "flash", "gains": {"flash": 3}}]
    judgements.import_list(collection=collection, rows=judged, actor=ACTOR)
    old = selectors.champion(collection.model_name)
    assert old is not None

    gone = removal.delete(collection=collection, actor=ACTOR, reason="the line is closed")

    assert (gone.n_documents, gone.n_judged, gone.n_versions) == (6, 1, 1)
    assert not Document.objects.exists()
    assert not JudgedQuery.objects.exists()
    assert AuditEntry.objects.get(action="collection.delete").reason == "the line is closed"
    assert selectors.champion(old.model.name) is None
    wait_for(is_gone, PATIENCE_S)

    again = collections.create(name="defects", actor=ACTOR)
    assert again.model_name == "search-defects--2"
    documents.upsert(
        collection=again, documents=incoming({"new": "Porosity of the new line."}), actor=ACTOR
    )
    assert done(dispatch.build_index(collection=again, actor=ACTOR)).state == "succeeded"
    wait_for(lambda: searching.held("defects").version == 1, PATIENCE_S)
    hits = searching.search("defects", "flash soldering porosity").result.hits
    assert [hit.passage.document_id for hit in hits] == ["new"]

    files = set(old.artifact_digests.values())
    removed = registry.remove_old_versions(family=FAMILY_NAME, older_than=timedelta(microseconds=1))
    assert removed.n_versions == 1
    kept = ModelVersion.objects.get(pk=old.pk)
    assert kept.state == ModelVersion.State.REMOVED
    new = selectors.champion(again.model_name)
    assert new is not None
    left = Artifact.objects.filter(pk__in=files - set(new.artifact_digests.values()))
    assert left.count() <= 1  # the queries it was judged on belong to the history


@pytest.mark.django_db
def test_only_an_administrator_deletes_and_never_during_a_build(
    collection: Collection, client: Client, make_key: Key
) -> None:
    operator, chief = make_key("search"), make_key("search", role=ADMINISTRATOR)
    assert client.delete(PATH, headers=operator).status_code == 403
    run = dispatch.build_index(collection=collection, actor=ACTOR)
    busy = client.delete(PATH, headers=chief)
    assert (busy.status_code, busy.json()["code"]) == (409, "collection_busy")
    type(run).objects.filter(pk=run.pk).delete()
    assert client.delete(f"{PATH}?reason={'x' * 301}", headers=chief).status_code == 422
    assert client.delete(PATH, headers=chief).status_code == 204
    assert client.get(PATH, headers=chief).status_code == 404
    assert client.delete(PATH, headers=chief).status_code == 404
    assert not RegisteredModel.objects.filter(name="search-defects").exists()


def administrator(*codenames: str) -> Client:
    user = User.objects.create_user("ada", is_staff=True)
    rows: Any = Permission.objects.filter(content_type__app_label="search", codename__in=codenames)
    user.user_permissions.set(rows)
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


@pytest.mark.django_db
def test_the_page_says_what_goes_and_asks_the_reason(collection: Collection) -> None:
    client = administrator("view_collection", "delete_collection")
    page = reverse("admin:search_collection_remove", args=[collection.pk])
    shown = client.get(reverse("admin:search_collection_change", args=[collection.pk]))
    assert page in shown.text
    asked = client.get(page)
    assert "6 documents are removed" in asked.text
    assert client.post(page, {"reason": ""}).status_code in {200, 422}
    assert Collection.objects.filter(pk=collection.pk).exists()
    assert client.post(page, {"reason": "no longer needed"}).status_code == 302
    assert not Collection.objects.filter(pk=collection.pk).exists()

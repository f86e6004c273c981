"""What tests of the pages of search share: who signs in, and rows to look at."""

from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from portal.core.errors import Unavailable
from portal.core.models import User
from search.models import Collection, SearchRecord
from search.services import querylog, searching


def page_of(row: Any, name: str = "change") -> str:
    return reverse(f"admin:search_{row._meta.model_name}_{name}", args=[row.pk])


def granted(name: str, *codenames: str) -> Client:
    """Sign somebody in who holds permissions by name.

    The tests that build an index commit, and what they leave is truncated, the roles with it.
    """
    user = User.objects.create_user(name, is_staff=True)
    rows = Permission.objects.filter(content_type__app_label="search")
    user.user_permissions.set(rows.filter(codename__in=codenames) if codenames else rows)
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def is_held() -> bool:
    try:
        return searching.held("defects").version == 1
    except Unavailable:
        return False


VIEWS = ("view_collection", "view_document", "view_judgedquery")


def noted(collection: Collection, query: str, **fields: Any) -> SearchRecord:
    return SearchRecord.objects.create(
        id=querylog.new_id(),
        collection=collection,
        query=query,
        mode="hybrid",
        top_k=10,
        version=1,
        n_hits=1,
        took_ms=1.5,
        document_ids=["flash"],
        **fields,
    )

"""Notices are kept once, told after the commit, and survive a channel that fails."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client
from django.urls import reverse

from portal.core import notices
from portal.core.models import Notice, User

pytestmark = pytest.mark.django_db

Capture = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def heard() -> Iterator[list[Notice]]:
    """Give what a channel is told of."""
    got: list[Notice] = []
    notices.register("test", got.append)
    yield got
    notices.forget("test")


def test_a_notice_is_told_once_it_is_committed(
    heard: list[Notice], django_capture_on_commit_callbacks: Capture
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        notice = notices.send(kind="thing.done", subject="It is done.", url="/admin/")
        assert heard == []

    assert heard == [notice]


def test_what_is_rolled_back_is_neither_kept_nor_told(
    heard: list[Notice], django_capture_on_commit_callbacks: Capture
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        notices.send(kind="thing.done", subject="It is done.")
        transaction.set_rollback(True)

    assert (heard, Notice.objects.count()) == ([], 0)


def test_the_same_key_is_sent_once(
    heard: list[Notice], django_capture_on_commit_callbacks: Capture
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        first, again = (notices.send(kind="thing.done", subject="x", key="one") for _ in range(2))
        notices.send(kind="thing.done", subject="Done.")
        notices.send(kind="thing.done", subject="Done.")

    assert first == again
    assert len(heard) == Notice.objects.count() == 3


def test_a_channel_that_fails_hinders_nobody(
    heard: list[Notice], django_capture_on_commit_callbacks: Capture
) -> None:
    def broken(notice: Notice) -> None:
        raise OSError("no network")

    notices.register("another", broken)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            notices.send(kind="thing.done", subject="A\x00" + "b" * 500)
    finally:
        notices.forget("another")

    assert len(heard) == 1
    assert heard[0].subject == "A" + "b" * 299


def test_an_unknown_severity_is_refused() -> None:
    with pytest.raises(ValueError, match="loud"):
        notices.send(kind="thing.done", subject="Done.", severity="loud")


def test_whoever_may_look_reads_notices_in_the_console(client: Client) -> None:
    user = User.objects.create(username="viewer", is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))
    client.force_login(user)
    notice = notices.send(kind="thing.done", subject="Casting is fun.", body="Truly.", url="/x/")

    listed = client.get(reverse("admin:core_notice_changelist"))
    page = client.get(reverse("admin:core_notice_change", args=[notice.pk]))

    assert "Casting is fun." in listed.content.decode()
    assert "Truly." in page.content.decode()
    assert 'href="/x/"' in page.content.decode()

"""Keys: what is kept, who may make which, how soon a revoked one ends."""

import base64
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.core import key_news, keys
from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput, Refused
from portal.core.models import ApiKey, AuditEntry, Notice, User
from portal.core.scopes import check
from portal.lib import clock
from portal.lib.hashing import sha256_bytes

COMMAND = Actor(name="test", via="command")
People = Callable[..., User]


@pytest.fixture
def made(person: People) -> tuple[ApiKey, str]:
    return keys.create_key(user=person(), name="line 4", scopes=["read"], actor=COMMAND)


def test_only_a_hash_of_the_key_is_kept(made: tuple[ApiKey, str]) -> None:
    key, plain = made
    assert key.digest == sha256_bytes(plain.encode())
    assert plain.startswith(key.prefix + "_")
    with connection.cursor() as cursor:
        cursor.execute("SELECT core_apikey::text FROM core_apikey")
        row = cursor.fetchone()[0]
    assert plain.removeprefix(key.prefix + "_") not in row


def test_the_secret_is_256_bits_and_never_the_same(person: People) -> None:
    user = person()
    plains = {
        keys.create_key(user=user, name="k", scopes=["read"], actor=COMMAND)[1] for _ in range(20)
    }
    secrets = {re.fullmatch(r"mw_[a-z0-9]{8}_(.{43})", plain) for plain in plains}
    assert len(plains) == 20
    assert all(found and len(base64.urlsafe_b64decode(found[1] + "=")) == 32 for found in secrets)


def test_a_key_stands_for_its_owner_with_its_scopes(made: tuple[ApiKey, str]) -> None:
    key, plain = made
    principal = keys.authenticate(plain)
    assert principal.name == f"key:{key.pk}"
    assert principal.scopes == {"read"}
    actor = principal.actor
    assert (actor.name, actor.via, actor.user_id) == ("kim", "key", key.user_id)
    assert actor.key_prefix == key.prefix


@pytest.mark.parametrize("change", ["x", "X", " "])
def test_a_key_changed_in_one_place_opens_nothing(made: tuple[ApiKey, str], change: str) -> None:
    plain = made[1]
    with pytest.raises(keys.KeyRefused):
        keys.authenticate(plain[:-1] + ("y" if plain.endswith(change) else change))


def test_an_expired_key_opens_nothing(person: People, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = clock.now() + timedelta(hours=1)
    plain = keys.create_key(
        user=person(), name="k", scopes=["read"], actor=COMMAND, expires_at=ends
    )[1]
    keys.authenticate(plain)
    monkeypatch.setattr(clock, "now", lambda: ends)
    with pytest.raises(keys.KeyRefused):
        keys.authenticate(plain)


def test_the_key_of_an_inactive_account_opens_nothing(made: tuple[ApiKey, str]) -> None:
    User.objects.update(is_active=False)
    with pytest.raises(keys.KeyRefused):
        keys.authenticate(made[1])


def test_a_revoked_key_opens_nothing_and_is_not_revoked_twice(made: tuple[ApiKey, str]) -> None:
    key, plain = made
    keys.revoke(key=key, actor=COMMAND)
    with pytest.raises(keys.KeyRefused):
        keys.authenticate(plain)
    with pytest.raises(Conflict, match="revoked already"):
        keys.revoke(key=key, actor=COMMAND)


def test_making_and_revoking_are_audited_without_the_secret(made: tuple[ApiKey, str]) -> None:
    key, plain = made
    keys.revoke(key=key, actor=COMMAND)
    rows = list(AuditEntry.objects.order_by("number"))
    assert [row.action for row in rows] == ["key.create", "key.revoke"]
    assert all(plain not in f"{row.target}{row.detail}" for row in rows)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["read", "everything"]}, "scopes"),
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"expires_at": clock.now()}, "expires_at"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    person: People, fields: dict[str, Any], field: str
) -> None:
    wanted: dict[str, Any] = {
        "user": person(),
        "name": "k",
        "scopes": ["read"],
        "actor": COMMAND,
    } | fields
    with pytest.raises(InvalidInput) as caught:
        keys.create_key(**wanted)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_an_inactive_account_gets_no_key(person: People) -> None:
    user = person("gone", is_active=False)
    with pytest.raises(InvalidInput, match="not made"):
        keys.create_key(user=user, name="k", scopes=["read"], actor=COMMAND)


@pytest.mark.parametrize("scope", ["train", "promote", "admin"])
def test_nobody_makes_a_key_to_decide_in_another_persons_name(person: People, scope: str) -> None:
    lee, kim = person("lee"), person("kim")
    actor = Actor.of_user(lee, via="person")
    with pytest.raises(Refused, match="only by the person"):
        keys.create_key(user=kim, name="k", scopes=[scope], actor=actor)
    assert AuditEntry.objects.get().outcome == "refused"
    key, _plain = keys.create_key(user=lee, name="k", scopes=[scope], actor=actor)
    assert key.user == lee


def test_a_key_made_for_another_person_is_told_of(person: People) -> None:
    lee, kim = person("lee"), person("kim")
    actor = Actor.of_user(lee, via="person")

    keys.create_key(user=lee, name="own", scopes=["read"], actor=actor)
    assert not Notice.objects.exists()

    key, plain = keys.create_key(user=kim, name="line 4", scopes=["read"], actor=actor)
    notice = Notice.objects.get()
    assert notice.subject == "lee made the key “line 4” that acts for kim."
    assert (notice.kind, notice.severity) == ("key.made_for_another", "warning")
    assert notice.url == f"/admin/core/apikey/{key.pk}/change/"
    assert plain not in notice.subject + notice.body


def test_a_key_hands_out_only_scopes_it_has(person: People) -> None:
    kim = person()
    actor = Actor(name="kim", via="key", user_id=kim.pk, scopes=frozenset({"admin", "read"}))
    with pytest.raises(Refused, match="lacks “train”"):
        keys.create_key(user=kim, name="k", scopes=["read", "train"], actor=actor)


def test_use_is_noted_at_most_once_a_minute(
    made: tuple[ApiKey, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, plain = made
    start = clock.now()
    seen = []
    for seconds in (0, 59, 61):
        monkeypatch.setattr(clock, "now", lambda seconds=seconds: start + timedelta(0, seconds))
        keys._cache.clear()
        keys.authenticate(plain)
        key.refresh_from_db()
        seen.append(key.last_used_at)
    assert seen == [start, start, start + timedelta(seconds=61)]


def test_a_remembered_key_costs_no_query(made: tuple[ApiKey, str], news: None) -> None:
    keys.authenticate(made[1])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        keys.authenticate(made[1])
    assert len(queries) == 0


def test_what_is_remembered_ends_after_half_a_minute(
    made: tuple[ApiKey, str], news: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.authenticate(made[1])
    monkeypatch.setattr(keys, "CACHE_S", -1)
    keys._cache.clear()
    keys.authenticate(made[1])
    with CaptureQueriesContext(connection) as queries:
        keys.authenticate(made[1])
    assert len(queries) > 0


def test_each_call_gets_an_account_of_its_own(made: tuple[ApiKey, str], news: None) -> None:
    first, second = keys.authenticate(made[1]).user, keys.authenticate(made[1]).user
    first.username = "changed"
    assert second.username == "kim"


def test_a_remembered_key_still_expires(
    person: People, news: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = clock.now() + timedelta(seconds=5)
    plain = keys.create_key(
        user=person(), name="k", scopes=["read"], actor=COMMAND, expires_at=ends
    )[1]
    keys.authenticate(plain)
    monkeypatch.setattr(clock, "now", lambda: ends)
    with pytest.raises(keys.KeyRefused):
        keys.authenticate(plain)


def test_nothing_is_remembered_while_nobody_listens(
    made: tuple[ApiKey, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_news, "epoch", lambda: None)
    keys.authenticate(made[1])
    ApiKey.objects.update(revoked_at=clock.now())
    with pytest.raises(keys.KeyRefused):
        keys.authenticate(made[1])


REVOKE = """
import django, sys
django.setup()
from portal.core import keys
from portal.core.actors import Actor
from portal.core.models import ApiKey
keys.revoke(key=ApiKey.objects.get(), actor=Actor(name="other process", via="command"))
"""


@pytest.mark.django_db(transaction=True)
def test_a_key_revoked_in_another_process_ends_here_at_once(
    made: tuple[ApiKey, str],
    news: None,
    child_environment: dict[str, str],
    wait_for: Callable[..., object],
) -> None:
    keys.authenticate(made[1])
    subprocess.run([sys.executable, "-c", REVOKE], env=child_environment, check=True, timeout=60)  # noqa: S603 - our own words

    def is_refused() -> bool:
        try:
            keys.authenticate(made[1])
        except keys.KeyRefused:
            return True
        return False

    wait_for(is_refused, timeout=1)


@pytest.mark.django_db(transaction=True)
def test_an_account_switched_off_ends_its_remembered_keys(
    made: tuple[ApiKey, str], news: None
) -> None:
    key, plain = made
    keys.authenticate(plain)
    key.user.is_active = False
    key.user.save(update_fields=["is_active"])
    with pytest.raises(keys.KeyRefused):
        keys.authenticate(plain)


@pytest.fixture
def operators(person: People) -> tuple[User, str]:
    """Give an operator and a key of theirs that imports and trains, used once and remembered."""
    user = person("kim", "operator")
    role = user.groups.get()
    train = Permission.objects.get(codename="train_model")
    role.permissions.add(train, Permission.objects.get(codename="view_run"))
    key = keys.create_key(user=user, name="k", scopes=["read", "train"], actor=COMMAND)[1]
    assert may(key, "train")
    return user, key


def may(plain: str, scope: str) -> bool:
    """Whether a key opens what a scope opens, now."""
    try:
        check(keys.authenticate(plain), scope)
    except (keys.KeyRefused, Refused):
        return False
    return True


def lose_role(user: User) -> None:
    user.groups.clear()


def lose_role_backwards(user: User) -> None:
    user.groups.get().user_set.remove(user)


def see_role_cut(user: User) -> None:
    user.groups.get().permissions.clear()


def see_role_deleted(user: User) -> None:
    Group.objects.filter(name="operator").delete()


def be_switched_off(user: User) -> None:
    user.is_active = False
    user.save(update_fields=["is_active"])


@pytest.mark.parametrize(
    "happens", [lose_role, lose_role_backwards, see_role_cut, see_role_deleted, be_switched_off]
)
@pytest.mark.usefixtures("news")
def test_a_remembered_key_never_does_more_than_its_account_may_do_now(
    operators: tuple[User, str],
    happens: Callable[[User], None],
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]],
) -> None:
    user, key = operators
    with django_capture_on_commit_callbacks(execute=True):
        happens(user)
    assert not may(key, "train")
    assert not may(key, "read")


@pytest.mark.usefixtures("news")
def test_a_remembered_key_opens_what_its_account_is_given(
    person: People,
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]],
) -> None:
    user = person("line4")
    key = keys.create_key(user=user, name="k", scopes=["train"], actor=COMMAND)[1]
    assert not may(key, "train")
    with django_capture_on_commit_callbacks(execute=True):
        user.user_permissions.add(Permission.objects.get(codename="train_model"))
    assert may(key, "train")


def test_the_command_prints_a_key_that_works_once(person: People) -> None:
    person("lee")
    out = StringIO()
    call_command("create_key", "line 4", user="lee", scopes="read, predict", stdout=out)
    principal = keys.authenticate(out.getvalue().strip())
    assert principal.user.username == "lee"
    assert principal.scopes == {"read", "predict"}
    assert principal.expires_at is None


def test_the_command_sets_an_end(person: People) -> None:
    person("lee")
    call_command("create_key", "k", user="lee", scopes="read", expires_days=2, stdout=StringIO())
    expires_at = ApiKey.objects.get().expires_at
    assert expires_at is not None
    assert timedelta(days=1.9) < expires_at - clock.now() <= timedelta(days=2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"user": "nobody"}, "no account"),
        ({"scopes": "all"}, "Name at least one of"),
        ({"scopes": ""}, "Name at least one of"),
        ({"expires_days": 0}, "--expires-days is 0"),
        ({"expires_days": 10**9}, "--expires-days"),
    ],
)
def test_the_command_says_what_is_wrong(person: People, options: dict[str, Any], said: str) -> None:
    person("lee")
    with pytest.raises(CommandError, match=said):
        call_command("create_key", "k", **({"user": "lee", "scopes": "read"} | options))


def test_a_lost_connection_forgets_and_listens_again(
    news: None, redis_client: redis.Redis, wait_for: Callable[..., object]
) -> None:
    before = key_news.epoch()
    redis_client.client_kill_filter(_type="pubsub")
    wait_for(lambda: key_news.epoch() not in {None, before}, timeout=5)
    assert key_news.epoch() != before

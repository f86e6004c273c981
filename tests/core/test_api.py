"""Keys, the audit log, alerts and the OpenAPI document over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from portal.core import audit, keys
from portal.core.actors import Actor
from portal.core.alerts import raise_alert
from portal.core.models import ApiKey, AuditEntry, IdempotencyRecord, User

pytestmark = pytest.mark.django_db
People = Callable[..., User]
Callers = Callable[..., Client]
KEYS = "/api/v1/keys/"
AUDIT = "/api/v1/audit/"
ALERTS = "/api/v1/alerts/"


@pytest.fixture
def chief(person: People) -> User:
    return person("chief", "administrator")


@pytest.fixture
def admin(bearer: Callers, chief: User) -> Client:
    """Give a caller with an administrator's key for everything."""
    return bearer("admin", "read", "train", user=chief)


@pytest.fixture
def browser(person: People) -> Callable[..., Client]:
    """Give ``browser("operator")``: the browser of somebody in that role."""

    def make(*roles: str) -> Client:
        client = Client(raise_request_exception=False)
        client.force_login(person(f"person-{'-'.join(roles)}", *roles))
        return client

    return make


def post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(path, body or {}, content_type="application/json", headers=headers)


def test_a_key_made_over_http_works_and_shows_its_secret_once(admin: Client, chief: User) -> None:
    answer = post(admin, KEYS, {"name": "line 4", "scopes": ["read"]})
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{KEYS}{body['id']}/"
    assert (body["user"], body["scopes"], body["revoked_at"]) == ("chief", ["read"], None)
    again = admin.get(answer.headers["Location"]).json()
    assert again == {name: value for name, value in body.items() if name != "key"}
    assert keys.authenticate(body["key"]).user == chief


def test_a_repeated_creation_makes_one_key_and_keeps_no_secret(admin: Client) -> None:
    wanted = {"name": "line 4", "scopes": ["read"]}
    first, second = (post(admin, KEYS, wanted, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert second.status_code == 201
    assert second.json() == first.json() | {"key": None}
    assert ApiKey.objects.filter(name="line 4").count() == 1
    assert first.json()["key"].encode() not in bytes(IdempotencyRecord.objects.get().body or b"")


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"scopes": ["read"]}, "name"),
        ({"name": "k"}, "scopes"),
        ({"name": "k", "scopes": []}, "scopes"),
        ({"name": "k", "scopes": ["all"]}, "scopes[0]"),
        ({"name": "k", "scopes": "read"}, "scopes"),
        ({"name": "k" * 121, "scopes": ["read"]}, "name"),
        ({"name": "k", "scopes": ["read"], "user": "nobody"}, "user"),
        ({"name": "k", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "k", "scopes": ["read"], "expires_at": "soon"}, "expires_at"),
        ([], ""),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_by_field(
    admin: Client, wanted: Any, field: str
) -> None:
    answer = admin.post(KEYS, wanted, content_type="application/json")
    assert answer.status_code == 422
    assert [item["field"] for item in answer.json()["errors"]] == [field]


def test_an_administrators_key_makes_no_key_to_decide_as_somebody_else(
    admin: Client, person: People
) -> None:
    person("kim", "approver")
    answer = post(admin, KEYS, {"name": "k", "scopes": ["admin"], "user": "kim"})
    assert (answer.status_code, answer.json()["code"]) == (403, "personal_scope")


def test_a_key_cannot_give_itself_more(admin: Client) -> None:
    answer = post(admin, KEYS, {"name": "k", "scopes": ["promote"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_a_key_is_revoked_over_http(admin: Client, bearer: Callers) -> None:
    other = bearer("read")
    key = ApiKey.objects.get(user__username="owner-read")
    answer = post(admin, f"{KEYS}{key.pk}/revoke/")
    assert answer.json()["revoked_at"] is not None
    assert post(admin, f"{KEYS}{key.pk}/revoke/").json()["code"] == "key_revoked"
    assert other.get(ALERTS).status_code == 401


def test_keys_are_listed_without_secrets_and_filtered(admin: Client, bearer: Callers) -> None:
    bearer("read")
    keys.revoke(key=ApiKey.objects.get(user__username="owner-read"), actor=Actor.system("x"))
    body = admin.get(KEYS).json()
    assert {row["user"] for row in body["results"]} == {"chief", "owner-read"}
    assert not {"key", "digest"}.intersection(body["results"][0])
    assert [row["user"] for row in admin.get(f"{KEYS}?is_usable=true").json()["results"]] == [
        "chief"
    ]


@pytest.mark.parametrize("number", ["0", "999999", "99999999999999999999", "x"])
def test_a_key_that_is_not_there_is_not_found(admin: Client, number: str) -> None:
    assert admin.get(f"{KEYS}{number}/").status_code == 404


WHO = [
    # role of the person, scopes of their key, address, answer to the key, answer to the browser
    ("viewer", ["read"], KEYS, 403, 403),
    ("operator", ["read", "train"], KEYS, 403, 403),
    ("administrator", ["read"], KEYS, 403, 200),
    ("administrator", ["admin"], KEYS, 200, 200),
    ("viewer", ["admin"], KEYS, 403, 403),
    ("viewer", ["admin"], AUDIT, 200, 200),
    ("viewer", ["read"], AUDIT, 403, 200),
    ("viewer", ["read"], ALERTS, 200, 200),
    ("viewer", ["predict"], ALERTS, 403, 200),
]


@pytest.mark.parametrize(("role", "scopes", "path", "by_key", "by_browser"), WHO)
def test_who_may_read_what(
    person: People,
    bearer: Callers,
    browser: Callable[..., Client],
    role: str,
    scopes: list[str],
    path: str,
    by_key: int,
    by_browser: int,
) -> None:
    caller = bearer(*scopes, user=person("kim", role))
    assert caller.get(path).status_code == by_key
    assert browser(role).get(path).status_code == by_browser


def test_an_outsider_reads_nothing(stranger: Client, browser: Callable[..., Client]) -> None:
    outsider = browser()
    for path in (KEYS, AUDIT, ALERTS):
        assert stranger.get(path).status_code == 401
        assert outsider.get(path).status_code == 403


def test_an_administrator_who_was_moved_takes_their_keys_power_along(
    admin: Client, chief: User
) -> None:
    assert admin.get(KEYS).status_code == 200
    chief.groups.clear()
    assert admin.get(KEYS).status_code == 403


def test_the_audit_log_is_read_newest_first_and_filtered(admin: Client) -> None:
    for number in range(3):
        audit.record(Actor(name="kim", via="person"), "test.do", f"thing {number}")
    body = admin.get(f"{AUDIT}?action=test.do&limit=2").json()
    assert [row["target"] for row in body["results"]] == ["thing 2", "thing 1"]
    assert body["results"][0]["previous_digest"] == body["results"][1]["digest"]
    assert admin.get(f"{AUDIT}?outcome=refused").json()["results"] == []
    assert admin.get(f"{AUDIT}?since=2999-01-01T00:00:00Z").json()["results"] == []
    assert admin.get(f"{AUDIT}?since=yesterday").status_code == 422


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nobody_writes_the_audit_log(admin: Client, method: str) -> None:
    audit.record(Actor(name="kim", via="person"), "test.do", "x")
    number = AuditEntry.objects.latest("number").number
    for path in (AUDIT, f"{AUDIT}{number}/"):
        answer = getattr(admin, method)(path, {}, content_type="application/json")
        assert answer.status_code == 405


def test_alerts_are_listed_and_acknowledged_by_an_administrator(
    admin: Client, browser: Callable[..., Client]
) -> None:
    alert = raise_alert("disk", "warning", "full")
    raise_alert("queue", "info", "long")
    path = f"{ALERTS}{alert.pk}/acknowledge/"
    assert post(browser("operator"), path).status_code == 403
    body = post(admin, path).json()
    assert (body["key"], body["acknowledged_by"]) == ("disk", "chief")
    assert post(admin, path).json()["code"] == "alert_settled"
    rows = admin.get(f"{ALERTS}?is_acknowledged=false").json()["results"]
    assert [row["key"] for row in rows] == ["queue"]


def test_an_administrator_resolves_an_alert(admin: Client, browser: Callable[..., Client]) -> None:
    path = f"{ALERTS}{raise_alert('disk', 'warning', 'full').pk}/resolve/"
    assert post(browser("operator"), path).status_code == 403
    assert post(admin, path).json()["resolved_at"] is not None
    assert post(admin, path).json()["code"] == "alert_settled"
    assert admin.get(f"{ALERTS}?is_open=true").json()["results"] == []


@pytest.mark.parametrize("path", [KEYS, AUDIT, ALERTS])
def test_a_list_takes_few_queries(
    admin: Client, path: str, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        raise_alert(f"a{number}", "info", "m")
        audit.record(Actor(name="kim", via="person"), "test.do", str(number))
    with django_assert_max_num_queries(8):
        assert len(admin.get(path).json()["results"]) >= 1


def test_the_document_is_served_in_yaml_and_json(stranger: Client) -> None:
    assert stranger.get("/api/v1/schema/").content.startswith(b"openapi: 3.1.0")
    answer = stranger.get("/api/v1/schema/", headers={"accept": "application/json"})
    assert answer.json()["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_the_document_is_the_same_in_every_language(stranger: Client) -> None:
    korean = stranger.get("/api/v1/schema/", headers={"accept-language": "ko"})
    assert korean.content == stranger.get("/api/v1/schema/").content


def test_the_page_of_the_document_asks_nothing_of_other_hosts(stranger: Client) -> None:
    page = stranger.get("/api/v1/docs/").content.decode()
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/" in page
    assert "//cdn" not in page
    assert "https://" not in page


def test_a_key_is_preferred_to_the_session(
    bearer: Callers, browser: Callable[..., Client], settings: LazySettings
) -> None:
    caller = bearer("predict")
    caller.cookies = browser("administrator").cookies
    assert caller.get(KEYS).status_code == 403

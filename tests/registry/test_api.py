"""The registry over HTTP: the way it is meant, and the same attacks as by service."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from portal.core import keys
from portal.core.actors import Actor
from portal.core.api import throttles
from portal.core.models import AuditEntry, User
from portal.registry import selectors, services
from portal.registry.models import AliasMove, ModelVersion, PromotionRequest
from tests.registry.test_versions import tamper

pytestmark = pytest.mark.django_db

Make = Callable[..., ModelVersion]
Caller = Callable[..., Client]
FIRE = "the champion calls every shot a defect"
ROOT = "/api/v1"


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    throttles.principal_limiter.cache_clear()
    keys._cache.clear()


@pytest.fixture
def caller() -> Caller:
    """Give ``caller(user, "promote")``: a client with a new key of that account."""

    def make(user: User, *scopes: str) -> Client:
        let_look(user)
        giver = Actor(name="test", via="command")
        _key, plain = keys.create_key(
            user=user, name="test", scopes=scopes or ("read", "promote"), actor=giver
        )
        return Client(raise_request_exception=False, headers={"authorization": f"Bearer {plain}"})

    return make


def let_look(user: User) -> None:
    """Give an account what every role has."""
    user.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_promotionrequest", "view_registeredmodel"])
    )


def session(user: User) -> Client:
    """Return a client with a browser session of that account."""
    let_look(user)
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(f"{ROOT}{path}", body, content_type="application/json")


def ask(client: Client, version: int = 2) -> Any:
    return post(client, "/models/castings/promotions/", version=version, reason="ranks better")


def problem(answer: Any, status: int) -> dict[str, Any]:
    """Return the problem details of a refusal."""
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    return dict(answer.json())


def refusals(action: str) -> int:
    return AuditEntry.objects.filter(action=action, outcome="refused").count()


def test_two_people_take_a_version_live_over_http(
    candidate: ModelVersion, caller: Caller, operator: User, approver: User
) -> None:
    asked = ask(caller(operator))
    assert asked.status_code == 201
    assert asked.headers["Location"] == f"{ROOT}/promotions/{asked.json()['id']}/"
    path, digest = f"/promotions/{asked.json()['id']}", asked.json()["digest"]
    assert asked.json()["evidence"]["candidate"]["version"] == 2
    assert asked.json()["gate"]["outcome"] == "passed"

    second = caller(approver)
    approved = post(second, f"{path}/approve/", digest=digest)
    assert (approved.status_code, approved.json()["state"]) == (200, "approved")
    applied = post(second, f"{path}/apply/", digest=digest)
    assert (applied.status_code, applied.json()["state"]) == (200, "applied")
    assert applied.json()["decisions"][0]["decided_by"] == "approver"

    shown = second.get(f"{ROOT}/models/castings/").json()
    assert [(a["alias"], a["version"]) for a in shown["aliases"]] == [("champion", 2)]


def test_the_history_says_what_was_live_then_since_when_and_by_whom(
    approved: PromotionRequest, as_approver: Actor, caller: Caller, operator: User
) -> None:
    services.apply(request_id=approved.pk, digest=approved.digest, actor=as_approver)
    first = AliasMove.objects.order_by("id")[0]
    client = caller(operator)
    whole = client.get(f"{ROOT}/models/castings/history/").json()["results"]
    then = client.get(f"{ROOT}/models/castings/history/", {"at": first.at.isoformat()}).json()

    assert [(m["version"], m["by"]) for m in whole] == [(2, "approver"), (1, "millwright")]
    assert [m["version"] for m in then["results"]] == [1]
    assert then["results"][0]["until"] == whole[0]["since"]
    assert whole[0]["until"] is None


def test_a_version_shows_its_evidence(
    opened: PromotionRequest, caller: Caller, operator: User
) -> None:
    shown = caller(operator).get(f"{ROOT}/models/castings/versions/2/").json()

    assert shown["digest"] == opened.candidate.digest
    assert shown["artifacts"][0]["name"] == "model"
    assert shown["gate_evaluations"][0]["report"]["comparisons"]
    assert shown["lineage"]["launched_by"][0]["name"] == "operator"


def test_lists_stay_within_their_queries(
    opened: PromotionRequest,
    version: Make,
    caller: Caller,
    operator: User,
    django_assert_max_num_queries: Callable[[int], Any],
) -> None:
    for _time in range(3):
        version()
    client = caller(operator)
    client.get(f"{ROOT}/models/")
    for path in (
        "/models/",
        "/models/castings/versions/",
        "/models/castings/history/",
        "/promotions/",
        "/models/castings/promotions/",
    ):
        with django_assert_max_num_queries(6):
            assert client.get(f"{ROOT}{path}").json()["results"]


def test_lists_are_narrowed(opened: PromotionRequest, caller: Caller, operator: User) -> None:
    client = caller(operator)

    def found(query: str) -> int:
        return len(client.get(f"{ROOT}{query}").json()["results"])

    assert found("/promotions/?state=open&model=castings") == 1
    assert found("/promotions/?state=applied&state=rejected") == 0
    assert found("/models/castings/versions/?state=quarantined") == 0
    assert found("/models/?family=scores") == 1
    problem(client.get(f"{ROOT}/promotions/?stat=open"), 422)


# --- attacks ----------------------------------------------------------------------------------


def test_the_requester_is_refused_with_a_session_a_key_and_a_second_key(
    opened: PromotionRequest, caller: Caller, operator: User
) -> None:
    operator.user_permissions.add(
        *Permission.objects.filter(codename__in=["approve_promotion", "apply_promotion"])
    )
    User.objects.filter(pk=operator.pk).update(is_superuser=True)
    operator = User.objects.get(pk=operator.pk)
    for client in (session(operator), caller(operator), caller(operator, "promote")):
        answer = post(client, f"/promotions/{opened.pk}/approve/", digest=opened.digest)
        assert problem(answer, 403)["code"] == "own_request"

    assert refusals("promotion.approve") == 3


def test_a_superuser_is_refused_everywhere(
    opened: PromotionRequest, caller: Caller, person: Callable[..., User]
) -> None:
    root = person("root", is_superuser=True, is_staff=True)
    path = f"/promotions/{opened.pk}"
    attempts: list[tuple[str, dict[str, Any]]] = [
        (f"{path}/approve/", {"digest": opened.digest}),
        (f"{path}/reject/", {"digest": opened.digest, "reason": "root"}),
        (f"{path}/apply/", {"digest": opened.digest}),
        (f"{path}/withdraw/", {}),
        ("/models/castings/promotions/", {"version": 2, "reason": "root"}),
        ("/models/castings/rollback/", {"reason": "root"}),
        ("/models/castings/break-glass/", {"version": 2, "reason": FIRE}),
        ("/models/castings/versions/2/quarantine/", {"reason": "root"}),
    ]
    for client in (session(root), caller(root)):
        for address, body in attempts:
            answer = post(client, address, **body)
            assert problem(answer, 403)["code"] in {"permission_missing", "not_the_requester"}

    assert AuditEntry.objects.filter(actor="root", outcome="refused").count() == 16
    assert AliasMove.objects.count() == 1


@pytest.mark.parametrize("method", ["put", "patch", "post", "delete"])
def test_the_champion_is_not_written_over_http(
    candidate: ModelVersion,
    champion: ModelVersion,
    caller: Caller,
    person: Callable[..., User],
    method: str,
) -> None:
    everything = ("request_promotion", "approve_promotion", "apply_promotion", "rollback_model")
    root = person("root", *everything, "break_glass", is_superuser=True)
    address = f"{ROOT}/models/castings/aliases/champion/"
    body = {"version": 2, "reason": "mine"}
    send = getattr(caller(root), method)
    problem(send(address, body, content_type="application/json"), 403)

    assert refusals("alias.assign") == 1
    assert selectors.champion("castings") == champion


def test_models_versions_and_requests_are_not_edited_over_http(
    approved: PromotionRequest, caller: Caller, person: Callable[..., User]
) -> None:
    client = caller(person("root", is_superuser=True), "read", "promote", "admin")
    for path in (
        "/models/castings/",
        "/models/castings/versions/2/",
        f"/promotions/{approved.pk}/",
        "/models/castings/history/",
    ):
        for method in ("put", "patch", "delete"):
            answer = getattr(client, method)(
                f"{ROOT}{path}", {"reason": "x"}, content_type="application/json"
            )
            problem(answer, 405)


def test_a_stale_digest_is_refused(
    opened: PromotionRequest, caller: Caller, approver: User
) -> None:
    answer = post(caller(approver), f"/promotions/{opened.pk}/approve/", digest="0" * 64)

    assert problem(answer, 409)["code"] == "digest_mismatch"


def test_a_decision_names_a_digest(
    opened: PromotionRequest, caller: Caller, approver: User
) -> None:
    answer = post(caller(approver), f"/promotions/{opened.pk}/approve/")

    assert problem(answer, 422)["errors"][0]["field"] == "digest"


def test_a_misspelt_field_is_refused(
    candidate: ModelVersion, caller: Caller, operator: User
) -> None:
    answer = post(
        caller(operator), "/models/castings/promotions/", version=2, reason="x", gate="skip"
    )

    assert problem(answer, 422)["errors"][0]["field"] == "gate"


def test_a_second_apply_is_refused(
    approved: PromotionRequest, caller: Caller, approver: User
) -> None:
    client = caller(approver)
    path = f"/promotions/{approved.pk}/apply/"
    assert post(client, path, digest=approved.digest).status_code == 200

    assert problem(post(client, path, digest=approved.digest), 409)["code"] == "request_over"


def test_a_changed_champion_voids_over_http(
    approved: PromotionRequest, version: Make, caller: Caller, approver: User, person: Any
) -> None:
    fireman = caller(person("fireman", "break_glass"))
    made = version()
    done = post(fireman, "/models/castings/break-glass/", version=made.number, reason=FIRE)
    assert (done.status_code, done.json()["kind"]) == (200, "break_glass")

    answer = post(caller(approver), f"/promotions/{approved.pk}/apply/", digest=approved.digest)
    assert problem(answer, 409)["code"] == "voided"


def test_a_damaged_candidate_is_an_error_of_ours_and_says_so(
    approved: PromotionRequest, caller: Caller, approver: User
) -> None:
    tamper(approved.candidate)
    answer = post(caller(approver), f"/promotions/{approved.pk}/apply/", digest=approved.digest)

    assert problem(answer, 500)["code"] == "version_damaged"
    assert "Traceback" not in answer.content.decode()


def test_a_key_without_the_scope_is_refused(
    opened: PromotionRequest, caller: Caller, approver: User
) -> None:
    answer = post(
        caller(approver, "read"), f"/promotions/{opened.pk}/approve/", digest=opened.digest
    )

    assert problem(answer, 403)["code"] == "scope_missing"


def test_nobody_unknown_gets_in(opened: PromotionRequest) -> None:
    stranger = Client(raise_request_exception=False)
    for path in ("/models/", "/promotions/", f"/promotions/{opened.pk}/"):
        problem(stranger.get(f"{ROOT}{path}"), 401)
    problem(post(stranger, f"/promotions/{opened.pk}/apply/", digest=opened.digest), 401)


# --- the rest ---------------------------------------------------------------------------------


def test_a_rollback_shows_what_returns_and_what_was_affected(
    approved: PromotionRequest, as_approver: Actor, caller: Caller, approver: User
) -> None:
    services.apply(request_id=approved.pk, digest=approved.digest, actor=as_approver)
    done = post(caller(approver), "/models/castings/rollback/", reason="scrap doubled")

    assert done.status_code == 200, done.content
    body = done.json()
    assert (body["restored"], body["quarantined"]) == (1, 2)
    assert body["restored_settings"]["threshold"] == 0.5
    assert body["affected_predictions"]["count"] == 7
    assert body["move"]["by"] == "approver"


def test_the_same_idempotency_key_asks_once(
    candidate: ModelVersion, caller: Caller, operator: User
) -> None:
    client = caller(operator)
    answers = [
        client.post(
            f"{ROOT}/models/castings/promotions/",
            {"version": 2, "reason": "ranks better"},
            content_type="application/json",
            headers={"Idempotency-Key": "once"},
        )
        for _time in range(2)
    ]

    assert [a.status_code for a in answers] == [201, 201]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert PromotionRequest.objects.count() == 1


def test_the_challenger_is_set_shown_and_taken_away(
    candidate: ModelVersion, caller: Caller, operator: User
) -> None:
    client = caller(operator)
    address = f"{ROOT}/models/castings/aliases/challenger/"
    body: dict[str, Any] = {"version": 2, "reason": "compare"}
    assert client.put(address, body, content_type="application/json").json()["version"] == 2
    assert client.get(address).json()["version"] == 2
    body["version"] = None
    assert client.put(address, body, content_type="application/json").json()["version"] is None
    problem(client.get(address), 404)


def test_the_requester_withdraws_over_http(
    opened: PromotionRequest, caller: Caller, operator: User
) -> None:
    answer = post(caller(operator), f"/promotions/{opened.pk}/withdraw/", reason="found a bug")

    assert answer.json()["state"] == "withdrawn"


def test_a_version_is_quarantined_and_released(
    candidate: ModelVersion, caller: Caller, approver: User
) -> None:
    client = caller(approver)
    path = "/models/castings/versions/2"
    assert post(client, f"{path}/quarantine/", reason="labels").json()["state"] == "quarantined"
    assert post(client, f"{path}/release/", reason="labels fine").json()["state"] == "ready"


def test_an_administrator_changes_the_gate_policy(
    champion: ModelVersion, caller: Caller, person: Callable[..., User]
) -> None:
    admin = caller(person("admin", "change_registeredmodel"), "admin")
    address = f"{ROOT}/models/castings/gate-policy/"
    good = {"policy": {"level": 0.95}, "reason": "be surer"}
    bad = {"policy": {"level": 7}, "reason": "be surer"}

    answer = admin.put(address, good, content_type="application/json")
    assert answer.json()["gate_policy"]["level"] == 0.95
    problem(admin.put(address, bad, content_type="application/json"), 422)


@pytest.mark.parametrize(
    "path",
    [
        "/models/none/",
        "/models/none/versions/",
        "/models/none/history/",
        "/models/castings/versions/99/",
        "/models/castings/aliases/best/",
        "/promotions/4b5b1b3e-0000-4000-8000-000000000000/",
        "/promotions/not-an-id/",
        "/promotions/------------------------------------/",
    ],
)
def test_what_does_not_exist_is_not_found(
    champion: ModelVersion, caller: Caller, operator: User, path: str
) -> None:
    problem(caller(operator).get(f"{ROOT}{path}"), 404)


@pytest.mark.parametrize(
    ("role", "held"),
    [
        ("viewer", set()),
        ("operator", {"request_promotion"}),
        ("approver", {"approve_promotion", "apply_promotion", "rollback_model"}),
        (
            "administrator",
            {"request_promotion", "approve_promotion", "apply_promotion", "rollback_model"},
        ),
    ],
)
def test_each_role_holds_what_the_rules_give_it(role: str, held: set[str]) -> None:
    granted = Group.objects.get(name=role).permissions.filter(content_type__app_label="registry")
    codes = set(granted.values_list("codename", flat=True))

    assert held <= codes
    assert "view_promotionrequest" in codes
    assert not {"break_glass", "delete_modelversion", "change_promotionrequest"} & codes
    extra = codes - held - {code for code in codes if code.startswith("view_")}
    assert extra <= {"change_registeredmodel"}

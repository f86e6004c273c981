"""Every attack on the promotion path that the rules name."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal.core.actors import Actor
from portal.core.errors import Conflict, Corrupt, PortalError, Refused
from portal.core.models import Alert, AuditEntry, User
from portal.lib import clock, hashing
from portal.registry import services
from portal.registry.models import AliasMove, ModelVersion, PromotionRequest, RegisteredModel
from tests.registry.asking import Ask, Guards, Make, Person, State, key_of, refused, state_of
from tests.registry.conftest import Scores, finished_run
from tests.registry.test_versions import tamper

pytestmark = pytest.mark.django_db


def everyone(person: Person, operator: User) -> dict[str, Actor]:
    """Return the requester in every guise that could pass for somebody else."""
    all_of_it = ("request_promotion", "approve_promotion", "apply_promotion")
    for codename in all_of_it[1:]:
        operator.user_permissions.add(
            *operator.user_permissions.model.objects.filter(codename=codename)
        )
    operator.is_superuser = True
    operator.save()
    return {
        "session": Actor.of_user(operator, via="person"),
        "key": key_of(operator, "mw_first"),
        "second key": key_of(operator, "mw_second"),
    }


@pytest.mark.parametrize("guise", ["session", "key", "second key"])
def test_nobody_approves_their_own_request_in_any_guise(
    opened: PromotionRequest, person: Person, operator: User, guise: str
) -> None:
    actor = everyone(person, operator)[guise]
    with pytest.raises(Refused, match="somebody else") as caught:
        services.approve(request_id=opened.pk, digest=opened.digest, actor=actor)

    assert caught.value.specific_code == "own_request"
    assert state_of(opened) == State.OPEN
    assert refused("promotion.approve").actor_id == operator.pk


def test_the_requester_cannot_reject_either(
    opened: PromotionRequest, person: Person, operator: User
) -> None:
    actor = everyone(person, operator)["key"]
    with pytest.raises(Refused):
        services.reject(request_id=opened.pk, digest=opened.digest, reason="no", actor=actor)


def test_whoever_launched_the_run_cannot_approve(
    champion: ModelVersion, version: Make, person: Person, request_for: Ask
) -> None:
    launcher = person("launcher", "approve_promotion")
    made = version(2.5, run=finished_run(retry_of=finished_run(launcher)))
    request = request_for(made)

    with pytest.raises(Refused, match="launched the run") as caught:
        services.approve(
            request_id=request.pk, digest=request.digest, actor=key_of(launcher, "mw_x")
        )

    assert caught.value.specific_code == "own_run"
    assert refused("promotion.approve").detail["code"] == "own_run"


def test_a_superuser_without_the_grant_can_do_nothing(
    opened: PromotionRequest, person: Person, candidate: ModelVersion, model: RegisteredModel
) -> None:
    root = Actor.of_user(person("root", is_superuser=True, is_staff=True), via="person")
    given: dict[str, Any] = {"request_id": opened.pk, "digest": opened.digest, "actor": root}
    attempts: list[Callable[[], object]] = [
        lambda: services.approve(**given),
        lambda: services.reject(**given, reason="I am root"),
        lambda: services.apply(**given),
        lambda: services.withdraw(request_id=opened.pk, actor=root),
        lambda: services.break_glass(
            version=candidate, reason="I am root and I want it", actor=root
        ),
        lambda: services.rollback(model=model, reason="I am root", actor=root),
        lambda: services.assign_alias(
            model=model, alias="champion", version=candidate, reason="root", actor=root
        ),
        lambda: services.bootstrap_champion(version=candidate, reason="root", actor=root),
    ]
    for attempt in attempts:
        with pytest.raises(Refused):
            attempt()

    assert AuditEntry.objects.filter(actor="root", outcome="refused").count() == len(attempts)
    assert AliasMove.objects.count() == 1
    assert state_of(opened) == State.OPEN


def test_the_decision_binds_to_the_digest_the_approver_saw(
    opened: PromotionRequest, as_approver: Actor
) -> None:
    for seen in ("", "0" * 64):
        with pytest.raises(Conflict, match="look at it again"):
            services.approve(request_id=opened.pk, digest=seen, actor=as_approver)

    assert state_of(opened) == State.OPEN


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE registry_promotionrequest SET evidence = jsonb_set(evidence, '{format}', '2')",
        "UPDATE registry_promotionrequest SET reason = 'something else'",
        "UPDATE registry_promotionrequest SET expires_at = expires_at + interval '1 year'",
        "UPDATE registry_modelversion SET settings = '{\"threshold\": 0.01}' WHERE number = 2",
        "UPDATE registry_gateevaluation SET report = '{}'",
        "UPDATE registry_evaluationset SET n_rows = 1",
        "UPDATE registry_registeredmodel SET gate_policy = '{\"level\": 0.5}'",
    ],
)
def test_an_edit_after_the_approval_voids_the_request(
    approved: PromotionRequest, as_approver: Actor, without_guards: Guards, edit: str
) -> None:
    with without_guards() as cursor:
        cursor.execute(edit)

    with pytest.raises(Conflict, match="changed since"):
        services.apply(request_id=approved.pk, digest=approved.digest, actor=as_approver)

    assert state_of(approved) == State.VOIDED
    assert AuditEntry.objects.filter(action="promotion.void", outcome="done").count() == 1
    assert refused("promotion.apply").detail["code"] == "voided"
    assert AliasMove.objects.count() == 1


def test_an_edit_with_a_new_digest_does_not_carry_the_old_approval(
    approved: PromotionRequest, as_approver: Actor, without_guards: Guards
) -> None:
    forged = approved.evidence | {"model": "castings"} | {"format": 1}
    forged["request"] = forged["request"] | {"reason": "forged"}
    digest = hashing.digest_json(forged)
    with without_guards() as cursor:
        cursor.execute(
            "UPDATE registry_promotionrequest SET reason = 'forged', digest = %s, evidence ="
            " jsonb_set(evidence, '{request,reason}', '\"forged\"')",
            [digest],
        )

    with pytest.raises(Conflict, match="another approver") as caught:
        services.apply(request_id=approved.pk, digest=digest, actor=as_approver)

    assert caught.value.specific_code == "approval_lapsed"


def test_a_changed_champion_voids_the_request(
    approved: PromotionRequest, version: Make, person: Person, as_approver: Actor
) -> None:
    fireman = Actor.of_user(person("fireman", "break_glass"), via="person")
    services.break_glass(
        version=version(2.0), reason="the old one crashes on shift 3", actor=fireman
    )

    with pytest.raises(Conflict, match="without approval"):
        services.apply(request_id=approved.pk, digest=approved.digest, actor=as_approver)

    assert state_of(approved) == State.VOIDED


def test_a_champion_that_left_and_came_back_voids_the_request_too(
    approved: PromotionRequest, champion: ModelVersion, without_guards: Guards, as_approver: Actor
) -> None:
    with without_guards() as cursor:
        cursor.execute(
            "INSERT INTO registry_aliasmove (model_id, alias, kind, from_version_id, to_version_id,"
            " at, actor, reason) SELECT model_id, alias, kind, to_version_id, to_version_id, now(),"
            " 'x', 'x' FROM registry_aliasmove"
        )
    with pytest.raises(Conflict, match="alias"):
        services.apply(request_id=approved.pk, digest=approved.digest, actor=as_approver)


@pytest.mark.parametrize("step", ["approve", "apply"])
def test_an_expired_request_is_closed_at_whatever_step_comes(
    request: pytest.FixtureRequest,
    as_approver: Actor,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    asked: PromotionRequest = request.getfixturevalue("opened" if step == "approve" else "approved")
    later = clock.now() + timedelta(hours=73)
    monkeypatch.setattr(clock, "now", lambda: later)

    with pytest.raises(Conflict, match="expired") as caught:
        getattr(services, step)(request_id=asked.pk, digest=asked.digest, actor=as_approver)

    assert caught.value.specific_code == "expired"
    assert state_of(asked) == State.EXPIRED
    assert refused(f"promotion.{step}").detail["code"] == "expired"


def test_the_schedule_expires_what_nobody_touches(
    opened: PromotionRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert services.expire_due() == 0
    later = clock.now() + timedelta(hours=73)
    monkeypatch.setattr(clock, "now", lambda: later)

    assert services.expire_due() == 1
    assert state_of(opened) == State.EXPIRED


def test_a_quarantined_candidate_voids_the_request(
    approved: PromotionRequest, candidate: ModelVersion, as_approver: Actor
) -> None:
    services.quarantine(version=candidate, reason="trained on bad labels", actor=as_approver)

    assert state_of(approved) == State.VOIDED
    with pytest.raises(Conflict):
        services.apply(request_id=approved.pk, digest=approved.digest, actor=as_approver)


def test_a_request_is_applied_once(approved: PromotionRequest, as_approver: Actor) -> None:
    given: dict[str, Any] = {
        "request_id": approved.pk,
        "digest": approved.digest,
        "actor": as_approver,
    }
    services.apply(**given)
    with pytest.raises(Conflict, match="nothing is left"):
        services.apply(**given)

    assert AliasMove.objects.filter(kind="promotion").count() == 1


def test_what_is_not_approved_is_not_applied(opened: PromotionRequest, as_approver: Actor) -> None:
    with pytest.raises(Conflict, match="not approved yet"):
        services.apply(request_id=opened.pk, digest=opened.digest, actor=as_approver)


def test_an_approver_decides_once(approved: PromotionRequest, as_approver: Actor) -> None:
    with pytest.raises(Conflict, match="given once"):
        services.approve(request_id=approved.pk, digest=approved.digest, actor=as_approver)


@pytest.mark.parametrize("loss", ["permission", "account"])
def test_an_approval_lapses_with_the_approver(
    approved: PromotionRequest, approver: User, person: Person, loss: str
) -> None:
    other = Actor.of_user(person("other", "apply_promotion", "approve_promotion"), via="person")
    if loss == "permission":
        approver.user_permissions.clear()
    else:
        User.objects.filter(pk=approver.pk).update(is_active=False)
    given: dict[str, Any] = {"request_id": approved.pk, "digest": approved.digest, "actor": other}

    with pytest.raises(Conflict, match="another approver") as caught:
        services.apply(**given)
    assert caught.value.specific_code == "approval_lapsed"

    services.approve(**given)
    services.apply(**given)
    assert state_of(approved) == State.APPLIED


def test_applying_takes_its_own_permission(
    approved: PromotionRequest, approver: User, as_approver: Actor
) -> None:
    approver.user_permissions.remove(*approver.user_permissions.filter(codename="apply_promotion"))
    with pytest.raises(Refused, match="apply_promotion"):
        services.apply(request_id=approved.pk, digest=approved.digest, actor=as_approver)


def test_a_candidate_damaged_after_the_approval_is_void_and_raises_an_alert(
    approved: PromotionRequest, candidate: ModelVersion, as_approver: Actor, family: Scores
) -> None:
    tamper(candidate)
    with pytest.raises(Corrupt):
        services.apply(request_id=approved.pk, digest=approved.digest, actor=as_approver)

    assert state_of(approved) == State.VOIDED
    assert Alert.objects.open().filter(key="registry.damaged.castings.v2").exists()
    assert candidate.number not in family.warmed


def test_only_the_requester_withdraws(opened: PromotionRequest, as_approver: Actor) -> None:
    with pytest.raises(Refused, match="others reject"):
        services.withdraw(request_id=opened.pk, actor=as_approver)


def test_a_request_nobody_made_is_not_found(as_approver: Actor) -> None:
    with pytest.raises(PortalError) as caught:
        services.approve(
            request_id="4b5b1b3e-0000-4000-8000-000000000000", digest="", actor=as_approver
        )

    assert caught.value.status == 404

"""What the portal asks for and applies by itself, and what it never does."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from django.db import DatabaseError, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import translation

from portal.core.actors import Actor
from portal.core.errors import Conflict, Corrupt, Refused
from portal.core.models import Alert, AuditEntry, Notice, User
from portal.registry import selectors, services
from portal.registry.models import (
    AliasMove,
    EvaluationSet,
    GateEvaluation,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
)
from tests.registry.conftest import SYSTEM

pytestmark = pytest.mark.django_db

Make = Callable[..., ModelVersion]
OpenUp = Callable[[], AbstractContextManager[CursorWrapper]]
REASON = "retrained on newer shots"


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Speak English, whatever the product's own language."""
    with translation.override("en"):
        yield


def proposed(version: ModelVersion) -> PromotionRequest:
    gate = services.weigh(version)
    with transaction.atomic():
        return services.propose(gate=gate, reason=REASON, actor=SYSTEM)


@pytest.fixture
def unattended(model: RegisteredModel) -> RegisteredModel:
    """Give the model with a policy that asks nobody."""
    model.gate_policy = {**model.gate_policy, "auto_apply": True}
    model.save(update_fields=["gate_policy"])
    return model


def test_the_portal_asks_and_a_person_decides(
    candidate: ModelVersion, approver: User, as_approver: Actor
) -> None:
    request = proposed(candidate)

    assert (request.requested_by, request.requester) == (None, "millwright")
    assert request.gate.outcome == "passed"
    assert list(selectors.waiting_for(approver)) == [request]
    services.approve(request_id=request.pk, digest=request.digest, actor=as_approver)
    services.apply(request_id=request.pk, digest=request.digest, actor=as_approver)
    assert selectors.champion("castings") == candidate
    kinds = Notice.objects.values_list("kind", flat=True)
    assert list(kinds) == ["promotion.applied", "promotion.requested"]


def test_whoever_launched_the_run_does_not_approve_what_the_portal_asks_for(
    champion: ModelVersion, version: Make, approver: User, as_approver: Actor
) -> None:
    request = proposed(version(2.5, launcher=approver))

    with pytest.raises(Refused, match="launched the run"):
        services.approve(request_id=request.pk, digest=request.digest, actor=as_approver)


def test_judging_again_gives_the_verdict_that_was_kept(candidate: ModelVersion) -> None:
    request = proposed(candidate)
    PromotionRequest.objects.filter(pk=request.pk).update(
        state="withdrawn", closed_at=request.created_at
    )

    assert services.weigh(candidate).pk == request.gate_id
    assert GateEvaluation.objects.count() == 1


def test_the_portal_asks_only_for_what_passed(champion: ModelVersion, version: Make) -> None:
    gate = services.weigh(version(1.5, noise_seed=3))

    assert gate.outcome != "passed"
    with pytest.raises(Refused, match="only for a version that passed"):
        services.propose(gate=gate, reason=REASON, actor=SYSTEM)
    assert not PromotionRequest.objects.exists()


def test_a_person_does_not_ask_in_nobodys_name(candidate: ModelVersion, as_operator: Actor) -> None:
    with pytest.raises(Refused):
        services.propose(gate=services.weigh(candidate), reason=REASON, actor=as_operator)


def test_while_a_request_waits_the_portal_asks_for_nothing(
    opened: PromotionRequest, version: Make
) -> None:
    with pytest.raises(Conflict, match="waiting already"):
        services.weigh(version(3.0))


def test_without_the_policy_nothing_applies_itself(candidate: ModelVersion) -> None:
    request = proposed(candidate)

    with pytest.raises(Refused, match="auto_apply"):
        services.apply_automatically(request_id=request.pk, actor=SYSTEM)
    assert selectors.champion("castings") != candidate


def test_where_the_policy_allows_it_a_version_that_passed_goes_live(
    unattended: RegisteredModel, candidate: ModelVersion
) -> None:
    request = services.apply_automatically(request_id=proposed(candidate).pk, actor=SYSTEM)

    move = AliasMove.objects.order_by("-pk").first()
    assert move is not None
    assert (request.state, move.kind, move.promotion_id) == ("applied", "automatic", request.pk)
    assert selectors.champion("castings") == candidate
    assert Alert.objects.open().get().severity == "warning"
    assert Notice.objects.filter(kind="promotion.applied").count() == 1
    assert AuditEntry.objects.filter(action="promotion.apply_automatically").count() == 1
    with pytest.raises(Conflict, match="nothing is left to do"):
        services.apply_automatically(request_id=request.pk, actor=SYSTEM)


def test_what_a_person_asked_for_never_applies_itself(
    unattended: RegisteredModel, opened: PromotionRequest, as_approver: Actor
) -> None:
    for actor in (SYSTEM, as_approver):
        with pytest.raises(Refused):
            services.apply_automatically(request_id=opened.pk, actor=actor)
    assert AliasMove.objects.filter(kind="automatic").count() == 0


def test_a_policy_allowed_after_the_verdict_does_not_count(
    candidate: ModelVersion, model: RegisteredModel
) -> None:
    request = proposed(candidate)
    model.gate_policy = {**model.gate_policy, "auto_apply": True}
    model.save(update_fields=["gate_policy"])

    with pytest.raises(Conflict):
        services.apply_automatically(request_id=request.pk, actor=SYSTEM)
    request.refresh_from_db()
    assert request.state == "voided"


def test_a_damaged_version_does_not_apply_itself(
    unattended: RegisteredModel, candidate: ModelVersion, without_guards: OpenUp
) -> None:
    request = proposed(candidate)
    with without_guards() as cursor:
        cursor.execute(
            "UPDATE registry_modelversion SET card = 'other' WHERE id = %s", [candidate.pk]
        )

    with pytest.raises((Corrupt, Conflict)):
        services.apply_automatically(request_id=request.pk, actor=SYSTEM)
    request.refresh_from_db()
    assert request.state == "voided"


def test_only_who_may_approve_lets_versions_go_live_by_themselves(
    model: RegisteredModel, person: Callable[..., User]
) -> None:
    changer = person("changer", "change_registeredmodel")
    both = person("both", "change_registeredmodel", "approve_promotion")
    policy = {"auto_apply": True}

    with pytest.raises(Refused, match="approve_promotion"):
        services.set_gate_policy(
            model=model,
            policy=policy,
            reason="save time",
            actor=Actor.of_user(changer, via="person"),
        )
    services.set_gate_policy(
        model=model, policy=policy, reason="save time", actor=Actor.of_user(both, via="person")
    )
    model.refresh_from_db()
    assert model.gate_policy == policy


# --- The database holds it too --------------------------------------------------------------------
def test_raw_sql_cannot_apply_what_nobody_approved(candidate: ModelVersion) -> None:
    request = proposed(candidate)

    with pytest.raises(DatabaseError, match="cannot become applied"), transaction.atomic():
        PromotionRequest.objects.filter(pk=request.pk).update(
            state="applied", closed_at=request.created_at
        )


def test_raw_sql_cannot_move_the_champion_by_itself(
    unattended: RegisteredModel, champion: ModelVersion, candidate: ModelVersion
) -> None:
    request = proposed(candidate)

    with pytest.raises(DatabaseError, match="may apply itself"), transaction.atomic():
        AliasMove.objects.create(
            model=unattended,
            alias="champion",
            kind="automatic",
            from_version=champion,
            to_version=candidate,
            promotion=request,
            actor="x",
            reason="y",
        )


def test_raw_sql_cannot_ask_in_nobodys_name_for_what_did_not_pass(
    champion: ModelVersion, version: Make, opened: PromotionRequest, evaluation_set: EvaluationSet
) -> None:
    gate = GateEvaluation.objects.create(
        candidate=opened.candidate,
        champion=champion,
        evaluation_set=evaluation_set,
        outcome="inconclusive",
    )
    opened.pk = None
    with pytest.raises(DatabaseError, match="nobody's name"), transaction.atomic():
        PromotionRequest.objects.create(
            model=champion.model,
            candidate=opened.candidate,
            champion=champion,
            gate=gate,
            requested_by=None,
            requested_via="system",
            reason="x",
            evidence={},
            digest="0" * 64,
            expires_at=opened.expires_at,
        )


def test_a_rollback_is_told(
    unattended: RegisteredModel, candidate: ModelVersion, as_approver: Actor
) -> None:
    services.apply_automatically(request_id=proposed(candidate).pk, actor=SYSTEM)
    services.rollback(model=unattended, reason="calls too much", actor=as_approver)

    notice = Notice.objects.get(kind="model.rolled_back")
    assert (notice.severity, "calls too much" in notice.subject) == ("critical", True)

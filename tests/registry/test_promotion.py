"""The promotion path by service: as it is meant, asked for, and beside the champion."""

from typing import Any

import pytest

from portal.core.actors import Actor
from portal.core.errors import Conflict, Corrupt, InvalidInput, Refused
from portal.core.models import Alert, AuditEntry, User
from portal.lib import hashing
from portal.registry import selectors, services
from portal.registry.models import GateEvaluation, ModelVersion, PromotionRequest, RegisteredModel
from tests.registry.asking import Ask, Make, Person, State, refused, state_of
from tests.registry.conftest import Scores
from tests.registry.test_versions import tamper

pytestmark = pytest.mark.django_db


# --- the way it is meant ----------------------------------------------------------------------


def test_a_better_version_goes_live_by_two_people(
    opened: PromotionRequest, candidate: ModelVersion, as_approver: Actor
) -> None:
    assert opened.gate.outcome == "passed"
    services.approve(request_id=opened.pk, digest=opened.digest, actor=as_approver)
    services.apply(request_id=opened.pk, digest=opened.digest, actor=as_approver)

    assert selectors.champion("castings") == candidate
    assert state_of(opened) == State.APPLIED
    done = AuditEntry.objects.filter(outcome="done", action__startswith="promotion.")
    assert list(done.order_by("number").values_list("action", flat=True)) == [
        "promotion.request",
        "promotion.approve",
        "promotion.apply",
    ]


def test_the_digest_is_that_of_the_evidence_as_stored(opened: PromotionRequest) -> None:
    stored = PromotionRequest.objects.get(pk=opened.pk)
    assert hashing.digest_json(stored.evidence) == stored.digest


def test_the_evidence_names_what_is_approved(
    opened: PromotionRequest, candidate: ModelVersion, champion: ModelVersion, operator: User
) -> None:
    evidence = opened.evidence
    assert evidence["candidate"]["digest"] == candidate.digest
    assert evidence["champion"]["digest"] == champion.digest
    assert evidence["gate"]["outcome"] == "passed"
    assert evidence["lineage"]["launcher_ids"] == [operator.pk]
    assert evidence["alias"]["champion"] == champion.number


def test_apply_warms_the_version_before_the_alias_moves(
    approved: PromotionRequest, as_approver: Actor, family: Scores, candidate: ModelVersion
) -> None:
    family.warmed.clear()
    services.apply(request_id=approved.pk, digest=approved.digest, actor=as_approver)

    assert family.warmed == [candidate.number]


def test_without_a_champion_the_candidate_is_held_against_the_base_rate(
    version: Make, request_for: Ask
) -> None:
    request = request_for(version(is_synthetic=False))

    assert request.champion is None
    assert request.gate.report["against"] == "base_rate"
    assert request.gate.outcome == "passed"


def test_a_rejected_request_is_over(opened: PromotionRequest, as_approver: Actor) -> None:
    services.reject(request_id=opened.pk, digest=opened.digest, reason="not now", actor=as_approver)

    assert state_of(opened) == State.REJECTED


def test_an_approved_request_can_still_be_rejected_by_a_second_approver(
    approved: PromotionRequest, person: Person
) -> None:
    second = Actor.of_user(person("second", "approve_promotion"), via="person")
    services.reject(
        request_id=approved.pk, digest=approved.digest, reason="slices are bad", actor=second
    )

    assert state_of(approved) == State.REJECTED


def test_the_requester_withdraws(opened: PromotionRequest, as_operator: Actor) -> None:
    services.withdraw(request_id=opened.pk, actor=as_operator)

    assert state_of(opened) == State.WITHDRAWN


def test_after_a_withdrawal_the_model_is_free_again(
    opened: PromotionRequest, as_operator: Actor, candidate: ModelVersion, request_for: Ask
) -> None:
    services.withdraw(request_id=opened.pk, actor=as_operator)

    assert state_of(request_for(candidate)) == State.OPEN


# --- asking -----------------------------------------------------------------------------------


def test_a_version_that_failed_its_gate_is_not_put_to_an_approver(
    champion: ModelVersion, version: Make, request_for: Ask
) -> None:
    with pytest.raises(Conflict, match="failed its gate") as caught:
        request_for(version(0.3))

    assert caught.value.specific_code == "gate_failed"
    assert GateEvaluation.objects.get().outcome == "failed"
    assert "worse" in refused("promotion.request").reason


def test_an_unproved_version_may_be_asked_for_and_says_so(
    champion: ModelVersion, version: Make, request_for: Ask, as_approver: Actor
) -> None:
    request = request_for(version(1.5, noise_seed=3))
    assert request.evidence["gate"]["outcome"] == "inconclusive"

    with pytest.raises(InvalidInput, match="10 to"):
        services.approve(
            request_id=request.pk, digest=request.digest, actor=as_approver, reason="ok"
        )
    services.approve(
        request_id=request.pk,
        digest=request.digest,
        actor=as_approver,
        reason="same quality, newer sensors",
    )
    assert state_of(request) == State.APPROVED


def test_a_second_request_for_a_model_is_refused(
    opened: PromotionRequest, version: Make, request_for: Ask
) -> None:
    with pytest.raises(Conflict, match="one at a time"):
        request_for(version(3.0))

    assert refused("promotion.request").detail["code"] == "request_waiting"


def test_the_champion_cannot_be_asked_for(champion: ModelVersion, request_for: Ask) -> None:
    with pytest.raises(Conflict, match="champion already"):
        request_for(champion)


def test_asking_takes_the_permission(candidate: ModelVersion, person: Person) -> None:
    outsider = Actor.of_user(person("outsider"), via="person")
    with pytest.raises(Refused, match="request_promotion"):
        services.request_promotion(version=candidate, reason="mine", actor=outsider)

    assert refused("promotion.request").actor == "outsider"


def test_the_portal_itself_cannot_ask(candidate: ModelVersion) -> None:
    with pytest.raises(Refused):
        services.request_promotion(
            version=candidate, reason="retrained", actor=Actor.system("drift", via="drift")
        )


def test_asking_needs_a_reason(candidate: ModelVersion, as_operator: Actor) -> None:
    with pytest.raises(InvalidInput) as caught:
        services.request_promotion(version=candidate, reason=" \n", actor=as_operator)

    assert caught.value.problems[0].field == "reason"


def test_a_damaged_version_cannot_be_asked_for(candidate: ModelVersion, request_for: Ask) -> None:
    tamper(candidate)
    with pytest.raises(Corrupt):
        request_for(candidate)

    assert Alert.objects.open().filter(key="registry.damaged.castings.v2").exists()


# --- challenger and shadow --------------------------------------------------------------------


def test_an_operator_assigns_the_challenger_and_takes_it_away(
    model: RegisteredModel, candidate: ModelVersion, as_operator: Actor
) -> None:
    given: dict[str, Any] = {
        "model": model,
        "alias": "challenger",
        "reason": "compare",
        "actor": as_operator,
    }
    services.assign_alias(version=candidate, **given)
    assert [a.alias for a in candidate.aliases.all()] == ["challenger"]

    services.assign_alias(version=None, **given)
    assert not candidate.aliases.exists()


def test_the_champion_is_never_assigned(
    model: RegisteredModel, candidate: ModelVersion, as_operator: Actor
) -> None:
    with pytest.raises(Refused, match="never set directly"):
        services.assign_alias(
            model=model, alias="champion", version=candidate, reason="mine", actor=as_operator
        )

    assert refused("alias.assign").detail["code"] == "champion_is_not_assignable"


def test_an_unknown_alias_is_named(
    model: RegisteredModel, candidate: ModelVersion, as_operator: Actor
) -> None:
    with pytest.raises(InvalidInput, match="challenger, shadow"):
        services.assign_alias(
            model=model, alias="best", version=candidate, reason="mine", actor=as_operator
        )

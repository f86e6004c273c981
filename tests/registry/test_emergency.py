"""Break-glass, rollback, quarantine and release."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from portal.core.actors import Actor
from portal.core.errors import Conflict, Corrupt, InvalidInput, Refused
from portal.core.models import Alert, AuditEntry, User
from portal.lib import clock
from portal.registry import selectors, services
from portal.registry.models import AliasMove, ModelVersion, PromotionRequest, RegisteredModel
from portal.registry.services.reasons import EMERGENCY_MIN_CHARS
from tests.registry.conftest import Scores
from tests.registry.test_versions import tamper

pytestmark = pytest.mark.django_db

Make = Callable[..., ModelVersion]
FIRE = "the champion calls every shot a defect"


@pytest.fixture
def fireman(person: Callable[..., User]) -> Actor:
    return Actor.of_user(person("fireman", "break_glass"), via="person")


@pytest.fixture
def live(approved: PromotionRequest, as_approver: Actor) -> ModelVersion:
    """Give version 2, live by promotion."""
    services.apply(request_id=approved.pk, digest=approved.digest, actor=as_approver)
    return approved.candidate


# --- break-glass ------------------------------------------------------------------------------


def test_break_glass_puts_a_version_live_for_everyone_to_see(
    candidate: ModelVersion, fireman: Actor, family: Scores
) -> None:
    move = services.break_glass(version=candidate, reason=FIRE, actor=fireman)

    assert selectors.champion("castings") == candidate
    assert candidate.number in family.warmed
    alert = Alert.objects.open().get(key=f"registry.break_glass.castings.{move.pk}")
    assert alert.severity == "critical"
    assert FIRE in alert.message
    assert AuditEntry.objects.get(action="alias.break_glass").reason == FIRE


def test_break_glass_takes_a_reason_worth_reading(candidate: ModelVersion, fireman: Actor) -> None:
    with pytest.raises(InvalidInput, match=str(EMERGENCY_MIN_CHARS)):
        services.break_glass(version=candidate, reason="urgent!", actor=fireman)

    assert AuditEntry.objects.get(action="alias.break_glass").outcome == "refused"


@pytest.mark.parametrize(
    "held", [(), ("approve_promotion", "apply_promotion", "rollback_model", "request_promotion")]
)
def test_break_glass_takes_its_own_permission(
    candidate: ModelVersion, person: Callable[..., User], held: tuple[str, ...]
) -> None:
    actor = Actor.of_user(person("else", *held), via="person")
    with pytest.raises(Refused, match="break_glass"):
        services.break_glass(version=candidate, reason=FIRE, actor=actor)


def test_break_glass_does_not_load_a_damaged_version(
    candidate: ModelVersion, champion: ModelVersion, fireman: Actor
) -> None:
    tamper(candidate)
    with pytest.raises(Corrupt):
        services.break_glass(version=candidate, reason=FIRE, actor=fireman)

    assert selectors.champion("castings") == champion


def test_break_glass_voids_the_request_that_waits(
    opened: PromotionRequest, version: Make, fireman: Actor
) -> None:
    services.break_glass(version=version(), reason=FIRE, actor=fireman)
    opened.refresh_from_db()

    assert opened.state == "voided"


def test_a_quarantined_version_stays_off_even_in_an_emergency(
    candidate: ModelVersion, fireman: Actor, as_approver: Actor
) -> None:
    services.quarantine(version=candidate, reason="bad labels", actor=as_approver)
    with pytest.raises(Conflict, match="bad labels"):
        services.break_glass(version=candidate, reason=FIRE, actor=fireman)


# --- rollback ---------------------------------------------------------------------------------


def test_a_rollback_restores_the_previous_champion_and_quarantines_the_bad_one(
    live: ModelVersion, champion: ModelVersion, model: RegisteredModel, as_approver: Actor
) -> None:
    done = services.rollback(model=model, reason="scrap doubled", actor=as_approver)

    assert selectors.champion("castings") == champion == done.restored
    live.refresh_from_db()
    assert (live.state, live.state_reason) == ("quarantined", "scrap doubled")
    assert done.restored.settings["threshold"] == champion.settings["threshold"]
    assert done.restored.artifact_digests == champion.artifact_digests


def test_a_rollback_lists_what_the_bad_version_answered(
    live: ModelVersion, model: RegisteredModel, as_approver: Actor
) -> None:
    done = services.rollback(model=model, reason="scrap doubled", actor=as_approver)

    assert done.affected is not None
    assert done.affected["count"] == 7
    assert done.live_since < done.live_until
    assert Alert.objects.open().filter(key="registry.affected.castings.v2").exists()
    assert AuditEntry.objects.get(action="alias.rollback.affected").detail["count"] == 7


def test_a_rollback_stands_when_its_consequences_cannot_be_listed(
    live: ModelVersion,
    model: RegisteredModel,
    as_approver: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(self: Scores, version: ModelVersion, since: datetime, until: datetime) -> Any:
        raise RuntimeError("the table is away")

    monkeypatch.setattr(Scores, "affected_predictions", broken)
    done = services.rollback(model=model, reason="scrap doubled", actor=as_approver)

    assert done.affected is None
    assert selectors.champion("castings") == done.restored


def test_a_rollback_alerts_and_is_audited(
    live: ModelVersion, model: RegisteredModel, as_approver: Actor
) -> None:
    done = services.rollback(model=model, reason="scrap doubled", actor=as_approver)

    alert = Alert.objects.open().get(key=f"registry.rollback.castings.{done.move.pk}")
    assert "v2 to v1" in alert.message
    assert AuditEntry.objects.get(action="alias.rollback").reason == "scrap doubled"


def test_a_rollback_loads_the_version_first(
    live: ModelVersion,
    champion: ModelVersion,
    model: RegisteredModel,
    as_approver: Actor,
    family: Scores,
) -> None:
    tamper(champion)
    with pytest.raises(Corrupt, match="v1"):
        services.rollback(model=model, reason="scrap doubled", actor=as_approver)

    assert selectors.champion("castings") == live
    assert Alert.objects.open().filter(key="registry.damaged.castings.v1").exists()


def test_a_rollback_voids_the_request_that_waits(
    live: ModelVersion,
    model: RegisteredModel,
    version: Make,
    as_approver: Actor,
    request_for: Callable[..., PromotionRequest],
) -> None:
    waiting = request_for(version(3.0))
    services.rollback(model=model, reason="scrap doubled", actor=as_approver)
    waiting.refresh_from_db()

    assert waiting.state == "voided"


def test_a_rollback_takes_the_bad_version_off_its_other_aliases(
    live: ModelVersion, model: RegisteredModel, as_approver: Actor, as_operator: Actor
) -> None:
    services.assign_alias(
        model=model, alias="shadow", version=live, reason="watch", actor=as_operator
    )
    services.rollback(model=model, reason="scrap doubled", actor=as_approver)

    assert not live.aliases.exists()
    assert AliasMove.objects.filter(alias="shadow", to_version=None, kind="rollback").exists()


def test_a_second_rollback_skips_what_is_in_quarantine(
    live: ModelVersion, model: RegisteredModel, as_approver: Actor
) -> None:
    services.rollback(model=model, reason="scrap doubled", actor=as_approver)
    with pytest.raises(Conflict, match="champion before") as caught:
        services.rollback(model=model, reason="still bad", actor=as_approver)

    assert caught.value.specific_code == "no_rollback_target"


def test_a_rollback_may_name_an_earlier_champion(
    live: ModelVersion,
    champion: ModelVersion,
    version: Make,
    model: RegisteredModel,
    fireman: Actor,
    as_approver: Actor,
) -> None:
    services.break_glass(version=version(), reason=FIRE, actor=fireman)
    done = services.rollback(model=model, reason="both bad", actor=as_approver, to=champion)

    assert done.restored == champion
    live.refresh_from_db()
    assert live.state == "ready"


def test_a_rollback_is_no_way_round_a_promotion(
    champion: ModelVersion, candidate: ModelVersion, model: RegisteredModel, as_approver: Actor
) -> None:
    with pytest.raises(Conflict, match="champion before"):
        services.rollback(model=model, reason="mine", actor=as_approver, to=candidate)


def test_a_model_without_a_champion_has_nothing_to_roll_back(
    model: RegisteredModel, as_approver: Actor
) -> None:
    with pytest.raises(Conflict, match="no champion"):
        services.rollback(model=model, reason="why not", actor=as_approver)


def test_a_rollback_takes_the_permission(
    live: ModelVersion, model: RegisteredModel, as_operator: Actor
) -> None:
    with pytest.raises(Refused, match="rollback_model"):
        services.rollback(model=model, reason="mine", actor=as_operator)

    assert AuditEntry.objects.get(action="alias.rollback").outcome == "refused"


# --- quarantine and release -------------------------------------------------------------------


def test_a_version_in_use_is_not_quarantined(champion: ModelVersion, as_approver: Actor) -> None:
    with pytest.raises(Conflict, match="in use"):
        services.quarantine(version=champion, reason="bad", actor=as_approver)


def test_a_released_version_goes_the_whole_way_again(
    candidate: ModelVersion,
    as_approver: Actor,
    request_for: Callable[..., PromotionRequest],
) -> None:
    services.quarantine(version=candidate, reason="bad labels?", actor=as_approver)
    with pytest.raises(Conflict, match="bad labels"):
        request_for(candidate)
    services.release(version=candidate, reason="labels were right", actor=as_approver)

    assert request_for(candidate).state == "open"


def test_only_what_is_quarantined_is_released(candidate: ModelVersion, as_approver: Actor) -> None:
    with pytest.raises(Conflict, match="only a version that is"):
        services.release(version=candidate, reason="why", actor=as_approver)


@pytest.mark.parametrize("service", [services.quarantine, services.release])
def test_an_operator_neither_bars_nor_frees(
    candidate: ModelVersion, as_operator: Actor, service: Callable[..., ModelVersion]
) -> None:
    with pytest.raises(Refused):
        service(version=candidate, reason="mine", actor=as_operator)


# --- what was live when -----------------------------------------------------------------------


def test_what_was_live_at_a_moment_is_one_query(
    live: ModelVersion,
    champion: ModelVersion,
    model: RegisteredModel,
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    first, second = AliasMove.objects.order_by("id")
    with django_assert_num_queries(1):
        then = selectors.live_at(model, first.at)
        assert then is not None
        assert (then.version, then.since, then.until) == (champion, first.at, second.at)
        assert (then.move.actor, then.move.kind) == ("millwright", "bootstrap")
    now = selectors.live_at(model, clock.now())
    assert now is not None
    assert (now.version, now.until, now.move.actor) == (live, None, "approver")
    assert selectors.live_at(model, first.at.replace(year=2000)) is None


def test_the_history_names_every_move(live: ModelVersion, model: RegisteredModel) -> None:
    kinds = [move.kind for move in selectors.history(model)]

    assert kinds == ["promotion", "bootstrap"]


# --- the inbox --------------------------------------------------------------------------------


def test_a_request_waits_for_approvers_and_not_for_its_requester(
    opened: PromotionRequest, approver: User, operator: User, person: Callable[..., User]
) -> None:
    root = person("root", is_superuser=True)

    assert list(selectors.waiting_for(approver)) == [opened]
    assert not selectors.waiting_for(operator).exists()
    assert not selectors.waiting_for(root).exists()


def test_a_request_does_not_wait_for_whoever_launched_its_run(
    champion: ModelVersion,
    version: Make,
    person: Callable[..., User],
    request_for: Callable[..., PromotionRequest],
) -> None:
    launcher = person("launcher", "approve_promotion")
    request_for(version(2.5, launcher=launcher))

    assert not selectors.waiting_for(launcher).exists()


def test_an_approved_request_waits_for_whoever_may_apply(
    approved: PromotionRequest, approver: User, person: Callable[..., User]
) -> None:
    assert list(selectors.waiting_for(person("applier", "apply_promotion"))) == [approved]
    assert list(selectors.waiting_for(approver)) == [approved]
    assert not selectors.waiting_for(person("other", "approve_promotion")).exists()


def test_changing_the_gate_policy_is_audited_and_voids_the_request(
    opened: PromotionRequest, model: RegisteredModel, person: Callable[..., User]
) -> None:
    admin = Actor.of_user(person("admin", "change_registeredmodel"), via="person")
    services.set_gate_policy(model=model, policy={"level": 0.95}, reason="be surer", actor=admin)

    assert services.expire_due() == 1
    detail = AuditEntry.objects.get(action="model.gate_policy").detail
    assert detail["after"] == {"level": 0.95}


def test_a_gate_policy_takes_the_permission_and_good_values(
    model: RegisteredModel, as_operator: Actor, person: Callable[..., User]
) -> None:
    admin = Actor.of_user(person("admin", "change_registeredmodel"), via="person")
    with pytest.raises(Refused):
        services.set_gate_policy(model=model, policy={}, reason="mine", actor=as_operator)
    with pytest.raises(InvalidInput, match="level"):
        services.set_gate_policy(model=model, policy={"level": 0}, reason="all", actor=admin)

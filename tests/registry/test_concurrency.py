"""Two at once, with real threads and connections: one wins, the other is told."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections, transaction

from portal.core.actors import Actor
from portal.core.errors import Conflict, PortalError
from portal.core.models import AuditEntry, User
from portal.registry import selectors, services
from portal.registry.models import AliasMove, ModelVersion, PromotionRequest
from tests.registry.conftest import finished_run

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., ModelVersion]
Race = Callable[..., list[object]]


@pytest.fixture
def race() -> Race:
    """Give ``race(work, work)``: what each returned or raised, all started at once."""

    def run(*works: Callable[[], object]) -> list[object]:
        start = Barrier(len(works))

        def one(work: Callable[[], object]) -> object:
            try:
                start.wait(10)
                return work()
            except PortalError as exc:
                return exc
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(works)) as pool:
            return [done.result(60) for done in [pool.submit(one, work) for work in works]]

    return run


def test_two_applies_at_once_move_the_alias_once(
    approved: PromotionRequest,
    candidate: ModelVersion,
    as_approver: Actor,
    person: Callable[..., User],
    race: Race,
) -> None:
    other = Actor.of_user(person("other", "apply_promotion"), via="person")
    outcomes = race(
        *(
            lambda actor=actor: services.apply(
                request_id=approved.pk, digest=approved.digest, actor=actor
            )
            for actor in (as_approver, other)
        )
    )

    assert sorted(isinstance(one, Conflict) for one in outcomes) == [False, True]
    assert AliasMove.objects.filter(kind="promotion").count() == 1
    assert selectors.champion("castings") == candidate
    assert AuditEntry.objects.filter(action="promotion.apply").count() == 2


def test_an_apply_and_a_rejection_at_once_leave_one_outcome(
    approved: PromotionRequest, as_approver: Actor, person: Callable[..., User], race: Race
) -> None:
    other = Actor.of_user(person("other", "approve_promotion"), via="person")
    given = (approved.pk, approved.digest)
    outcomes = race(
        lambda: services.apply(request_id=given[0], digest=given[1], actor=as_approver),
        lambda: services.reject(
            request_id=given[0], digest=given[1], actor=other, reason="too early"
        ),
    )

    assert sorted(isinstance(one, Conflict) for one in outcomes) == [False, True]
    approved.refresh_from_db()
    moved = AliasMove.objects.filter(kind="promotion").exists()
    assert (approved.state == "applied") == moved


def test_two_requests_at_once_open_one(
    champion: ModelVersion, version: Make, as_operator: Actor, race: Race
) -> None:
    versions = [version(2.5), version(2.6)]
    outcomes = race(
        *(
            lambda one=one: services.request_promotion(
                version=one, reason="better", actor=as_operator
            )
            for one in versions
        )
    )

    assert sorted(isinstance(one, Conflict) for one in outcomes) == [False, True]
    assert PromotionRequest.objects.count() == 1


def test_an_approval_and_a_withdrawal_at_once_never_leave_a_live_request_half_decided(
    opened: PromotionRequest, as_operator: Actor, as_approver: Actor, race: Race
) -> None:
    race(
        lambda: services.approve(request_id=opened.pk, digest=opened.digest, actor=as_approver),
        lambda: services.withdraw(request_id=opened.pk, actor=as_operator),
    )
    opened.refresh_from_db()

    assert opened.state == "withdrawn"


def test_an_apply_and_a_rollback_at_once_leave_a_whole_history(
    approved: PromotionRequest, champion: ModelVersion, as_approver: Actor, race: Race
) -> None:
    race(
        lambda: services.apply(request_id=approved.pk, digest=approved.digest, actor=as_approver),
        lambda: services.rollback(model=approved.model, reason="bad", actor=as_approver),
    )
    moves = list(AliasMove.objects.order_by("id"))

    assert [m.from_version_id for m in moves[1:]] == [m.to_version_id for m in moves[:-1]]
    now = selectors.champion("castings")
    assert now is not None
    assert now.pk == moves[-1].to_version_id


def test_two_attempts_of_one_run_register_one_version(version: Make, race: Race) -> None:
    run = finished_run()
    outcomes = race(lambda: version(run=run), lambda: version(run=run))

    assert outcomes[0] == outcomes[1]
    assert ModelVersion.objects.count() == 1


def test_versions_made_at_once_get_numbers_of_their_own(version: Make, race: Race) -> None:
    race(*[version] * 4)

    numbers = ModelVersion.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == [1, 2, 3, 4]


def test_a_refusal_survives_and_a_step_does_not_run_inside_a_foreign_transaction(
    opened: PromotionRequest, as_approver: Actor
) -> None:
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        services.approve(request_id=opened.pk, digest=opened.digest, actor=as_approver)
    opened.refresh_from_db()

    assert opened.state == "open"

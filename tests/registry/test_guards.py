"""What the services promise holds in raw SQL too."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.backends.utils import CursorWrapper

from portal.core.actors import Actor
from portal.core.errors import Conflict
from portal.core.models import User
from portal.lib import clock
from portal.registry import selectors, services
from portal.registry.models import (
    Alias,
    AliasAssignment,
    AliasMove,
    ModelVersion,
    PromotionDecision,
    PromotionRequest,
)
from portal.registry.services.aliases import move
from tests.registry.conftest import SYSTEM

pytestmark = pytest.mark.django_db

Make = Callable[..., ModelVersion]

TABLES = [
    "registry_aliasmove",
    "registry_evaluationset",
    "registry_gateevaluation",
    "registry_modelversion",
    "registry_promotiondecision",
    "registry_promotionrequest",
    "registry_versionartifact",
]


def run(sql: str, *params: str | int | UUID | None) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)


def refuses(sql: str, *params: str | int | UUID | None, match: str) -> None:
    with pytest.raises(DatabaseError, match=match):
        run(sql, *params)


@pytest.mark.parametrize(
    "edit",
    [
        "registry_aliasmove SET actor = 'somebody'",
        "registry_aliasmove SET at = at - interval '1 day'",
        "registry_evaluationset SET n_rows = 1",
        "registry_gateevaluation SET outcome = 'passed', report = '{}'",
        "registry_modelversion SET digest = repeat('0', 64)",
        "registry_modelversion SET settings = '{}'",
        "registry_modelversion SET evaluation = '{}', state = 'quarantined'",
        "registry_promotiondecision SET verdict = 'reject'",
        "registry_promotionrequest SET evidence = '{}'",
        "registry_promotionrequest SET digest = repeat('0', 64)",
        "registry_promotionrequest SET requested_by_id = requested_by_id + 1",
        "registry_promotionrequest SET expires_at = expires_at + interval '1 year'",
        "registry_promotionrequest SET candidate_id = champion_id",
        "registry_versionartifact SET name = 'other'",
    ],
)
def test_evidence_is_never_edited(approved: PromotionRequest, edit: str) -> None:
    refuses(f"UPDATE {edit}", match="evidence")


@pytest.mark.parametrize("table", TABLES)
def test_evidence_is_never_deleted(approved: PromotionRequest, table: str) -> None:
    refuses(f"DELETE FROM {table}", match="never deleted|still needs")  # noqa: S608 - ours


@pytest.mark.parametrize("table", [*TABLES, "registry_aliasassignment"])
def test_evidence_is_never_truncated(db: None, table: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        # The suite takes these guards off to empty the tables between tests.
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {table}_whole")
        with pytest.raises(DatabaseError, match="never"), transaction.atomic():
            cursor.execute(f"TRUNCATE {table} CASCADE")
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    "write",
    [
        "UPDATE registry_aliasassignment SET version_id = %s",
        "DELETE FROM registry_aliasassignment WHERE version_id <> %s",
        "INSERT INTO registry_aliasassignment (model_id, alias, version_id, since)"
        " SELECT model_id, 'shadow', id, now() FROM registry_modelversion WHERE id = %s",
    ],
)
def test_an_alias_is_never_written_directly(candidate: ModelVersion, write: str) -> None:
    refuses(write, candidate.pk, match="never directly")


def test_the_orm_cannot_write_an_alias_either(
    champion: ModelVersion, candidate: ModelVersion
) -> None:
    with pytest.raises(DatabaseError, match="never directly"), transaction.atomic():
        AliasAssignment.objects.update(version=candidate)

    assert selectors.champion("castings") == champion


def test_an_alias_follows_its_history(champion: ModelVersion) -> None:
    held = AliasAssignment.objects.get()
    last = AliasMove.objects.get()

    assert (held.version_id, held.since) == (last.to_version_id, last.at)


MOVE = (
    "INSERT INTO registry_aliasmove"
    " (model_id, alias, kind, from_version_id, to_version_id, promotion_id, at, actor, reason)"
    " SELECT model_id, %s, %s, %s, %s, %s, now(), 'sql', 'because' FROM registry_modelversion"
    " WHERE number = 1 AND model_id = (SELECT id FROM registry_registeredmodel"
    " WHERE name = 'castings')"
)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("promotion", "no applied request"),
        ("assignment", "kind_fits_alias"),
        ("bootstrap", "never had a champion"),
        ("rollback", "never champion"),
    ],
)
def test_a_forged_move_needs_what_its_kind_needs(
    champion: ModelVersion, candidate: ModelVersion, kind: str, said: str
) -> None:
    refuses(MOVE, "champion", kind, champion.pk, candidate.pk, None, match=said)


def test_a_forged_promotion_needs_an_applied_request(
    opened: PromotionRequest, champion: ModelVersion, candidate: ModelVersion
) -> None:
    refuses(
        MOVE,
        "champion",
        "promotion",
        champion.pk,
        candidate.pk,
        opened.pk,
        match="no applied request",
    )


def test_a_move_starts_where_the_alias_points(candidate: ModelVersion) -> None:
    refuses(
        MOVE, "champion", "break_glass", candidate.pk, candidate.pk, None, match="points at version"
    )


def test_a_used_request_moves_the_alias_once(
    approved: PromotionRequest,
    as_approver: Actor,
    without_guards: Callable[[], AbstractContextManager[CursorWrapper]],
) -> None:
    services.apply(request_id=approved.pk, digest=approved.digest, actor=as_approver)
    services.rollback(model=approved.model, reason="bad", actor=as_approver)
    with without_guards() as cursor:
        cursor.execute("UPDATE registry_modelversion SET state = 'ready'")

    refuses(
        MOVE,
        "champion",
        "promotion",
        approved.champion_id,
        approved.candidate_id,
        approved.pk,
        match="used before",
    )


def test_a_quarantined_version_gets_no_alias(
    candidate: ModelVersion, as_approver: Actor, champion: ModelVersion
) -> None:
    services.quarantine(version=candidate, reason="bad labels", actor=as_approver)
    refuses(MOVE, "shadow", "assignment", None, candidate.pk, None, match="is quarantined")


def test_a_version_of_another_model_gets_no_alias(
    champion: ModelVersion, candidate: ModelVersion, version: Make
) -> None:
    other = services.ensure_model(name="other", family="scores", title="Other")
    stranger = version(model=other)
    refuses(MOVE, "champion", "break_glass", champion.pk, stranger.pk, None, match="another model")


def test_the_service_says_what_the_database_refused(
    candidate: ModelVersion, champion: ModelVersion
) -> None:
    with pytest.raises(Conflict, match="never had a champion"), transaction.atomic():
        move(
            model=candidate.model,
            alias=Alias.CHAMPION,
            kind=AliasMove.Kind.BOOTSTRAP,
            to=candidate,
            actor=SYSTEM,
            reason="again",
        )


def test_a_version_in_use_stays_ready(champion: ModelVersion) -> None:
    for state in ("quarantined", "removed"):
        refuses("UPDATE registry_modelversion SET state = %s", state, match="an alias points")


def test_a_version_asked_for_is_not_removed(opened: PromotionRequest) -> None:
    refuses(
        "UPDATE registry_modelversion SET state = 'removed' WHERE number = 2",
        match="a promotion request refers",
    )


def test_a_removed_version_does_not_come_back(version: Make) -> None:
    version()
    run("UPDATE registry_modelversion SET state = 'removed'")
    refuses("UPDATE registry_modelversion SET state = 'ready'", match="removed by retention")


@pytest.mark.parametrize("state", ["approved", "applied"])
def test_a_request_is_not_approved_by_an_update(opened: PromotionRequest, state: str) -> None:
    refuses(
        "UPDATE registry_promotionrequest SET state = %s,"
        " closed_at = CASE WHEN %s = 'applied' THEN now() END",
        state,
        state,
        match="cannot become|no approval",
    )


def test_a_closed_request_does_not_reopen(opened: PromotionRequest, as_operator: Actor) -> None:
    services.withdraw(request_id=opened.pk, actor=as_operator)
    refuses(
        "UPDATE registry_promotionrequest SET state = 'open', closed_at = NULL",
        match="cannot become",
    )


def test_a_closed_request_says_when(opened: PromotionRequest) -> None:
    refuses("UPDATE registry_promotionrequest SET state = 'withdrawn'", match="closed_when_over")


def decide(request: PromotionRequest, user: User, **fields: str) -> PromotionDecision:
    given = {"verdict": "approve", "via": "sql", "reason": "", "digest": request.digest} | fields
    with transaction.atomic():
        return PromotionDecision.objects.create(request=request, decided_by=user, **given)


def test_the_requester_decides_nothing_in_sql_either(
    opened: PromotionRequest, operator: User
) -> None:
    with pytest.raises(DatabaseError, match="asked for this promotion"):
        decide(opened, operator)


def test_the_launcher_approves_nothing_in_sql_either(
    champion: ModelVersion,
    version: Make,
    person: Callable[..., User],
    request_for: Callable[..., PromotionRequest],
) -> None:
    launcher = person("launcher", "approve_promotion")
    request = request_for(version(2.5, launcher=launcher))
    with pytest.raises(DatabaseError, match="launched its run"):
        decide(request, launcher)


def test_a_decision_names_the_digest_of_its_request(
    opened: PromotionRequest, approver: User
) -> None:
    with pytest.raises(DatabaseError, match="another digest"):
        decide(opened, approver, digest="0" * 64)


def test_nothing_is_decided_on_a_closed_request(
    opened: PromotionRequest, as_operator: Actor, approver: User
) -> None:
    services.withdraw(request_id=opened.pk, actor=as_operator)
    with pytest.raises(DatabaseError, match="nothing is left"):
        decide(opened, approver)


def test_a_model_has_one_live_request(opened: PromotionRequest) -> None:
    opened.pk = "6b5b1b3e-0000-4000-8000-000000000000"
    with pytest.raises(DatabaseError, match="registry_one_open_request"), transaction.atomic():
        opened.save(force_insert=True)


def test_a_version_number_is_given_once(candidate: ModelVersion) -> None:
    with pytest.raises(DatabaseError, match="registry_version_number_once"), transaction.atomic():
        ModelVersion.objects.create(model=candidate.model, number=1, digest="a" * 64)


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"digest": "short"}, "digest_whole"),
        ({"number": 0}, "number_low"),
        ({"state": "best"}, "state_known"),
    ],
)
def test_a_version_row_is_well_formed(
    candidate: ModelVersion, fields: dict[str, object], constraint: str
) -> None:
    given: dict[str, object] = {"model": candidate.model, "number": 9, "digest": "a" * 64}
    with pytest.raises(DatabaseError, match=constraint), transaction.atomic():
        ModelVersion.objects.create(**(given | fields))


def test_a_request_expires_after_it_was_made(opened: PromotionRequest) -> None:
    opened.pk = "6b5b1b3e-0000-4000-8000-000000000000"
    opened.state, opened.closed_at = PromotionRequest.State.EXPIRED, clock.now()
    opened.expires_at = opened.created_at
    with pytest.raises(DatabaseError, match="expires_later"), transaction.atomic():
        opened.save(force_insert=True)

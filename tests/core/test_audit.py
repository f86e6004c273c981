"""The audit log is append-only, in one chain, and shows what gets round its guards."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from portal.core import audit, audit_chain
from portal.core.actors import Actor
from portal.core.audit_verification import Report, reseal, verify
from portal.core.errors import Conflict, Refused
from portal.core.models import Alert, AuditEntry, AuditHead, User
from portal.core.request_context import RequestContextMiddleware

KIM = Actor(name="kim", via="person", user_id=7)


@pytest.fixture
def log(db: None) -> list[AuditEntry]:
    """Give a log of five entries."""
    return [audit.record(KIM, "test.do", f"thing {number}") for number in range(1, 6)]


@contextmanager
def guards_off() -> Iterator[Any]:
    """Be a superuser of the database who gets round the triggers."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield cursor
        cursor.execute("SET LOCAL session_replication_role = origin")


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_entries_follow_one_another_from_an_empty_log(log: list[AuditEntry]) -> None:
    assert [entry.number for entry in log] == [1, 2, 3, 4, 5]
    assert log[0].previous_digest == audit_chain.GENESIS
    assert [entry.previous_digest for entry in log[1:]] == [entry.digest for entry in log[:-1]]


def test_an_untouched_log_is_intact(log: list[AuditEntry]) -> None:
    report = verify()
    assert report.is_intact
    assert (report.n_entries, report.end) == (5, f"5:{log[-1].digest}")


@pytest.mark.django_db
def test_an_empty_log_is_intact() -> None:
    assert verify().is_intact


@pytest.mark.django_db
def test_an_entry_says_who_did_what_and_under_which_request() -> None:
    actor = Actor(name="kim", via="key", user_id=7, key_prefix="mw_abc", request_id="r-1")
    audit.record(actor, "model.rollback", "quality", reason="worse", detail={"to": 3})
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_id, entry.via) == ("kim", 7, "key")
    assert (entry.action, entry.target, entry.outcome) == ("model.rollback", "quality", "done")
    assert (entry.reason, entry.request_id) == ("worse", "r-1")
    assert entry.detail == {"to": 3, "key": "mw_abc"}


@pytest.mark.django_db
def test_the_request_being_answered_is_noted(rf: Any) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        audit.record(KIM, "test.do", "x")
        return HttpResponse()

    RequestContextMiddleware(view)(rf.get("/", headers={"X-Request-ID": "abc"}))
    assert AuditEntry.objects.get().request_id == "abc"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.django_db
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.text(), json_values, max_size=3), st.text(), st.text())
def test_whatever_is_recorded_verifies(detail: dict[str, Any], reason: str, target: str) -> None:
    audit.record(KIM, "test.do", target, reason=reason, detail=detail)
    assert verify().is_intact


@pytest.mark.django_db
def test_things_that_are_not_json_are_recorded_as_text() -> None:
    entry = audit.record(KIM, "test.do", "x", detail={"who": KIM, "some": {1}, "not": float("nan")})
    assert entry.detail == {"who": str(KIM), "some": [1], "not": "nan"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE core_auditentry SET reason = 'x' WHERE number = 3",
        "DELETE FROM core_auditentry WHERE number = 5",
        "DELETE FROM core_auditentry",
        "DELETE FROM core_audithead",
        "UPDATE core_audithead SET number = 2",
    ],
)
def test_the_database_refuses_to_change_the_log(log: list[AuditEntry], statement: str) -> None:
    with (
        pytest.raises(DatabaseError, match="refused"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert verify().is_intact


@pytest.mark.parametrize(
    ("table", "trigger"),
    [
        ("core_auditentry", "core_audit_keep_table"),
        ("core_audithead", "core_audit_keep_head_table"),
    ],
)
def test_the_database_refuses_to_truncate_the_log(
    log: list[AuditEntry], table: str, trigger: str
) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        # The suite takes this one guard off to empty the log between tests.
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(f"TRUNCATE {table}")
        transaction.set_rollback(True)


def test_the_orm_cannot_change_the_log_either(log: list[AuditEntry]) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEntry.objects.filter(number=2).update(reason="x")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        log[1].delete()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE core_auditentry SET reason = 'x' WHERE number = 3", "Entry 3 was changed"),
        ("UPDATE core_auditentry SET actor_id = 8 WHERE number = 3", "Entry 3 was changed"),
        ("UPDATE core_auditentry SET at = at - interval '1 us' WHERE number = 3", "3 was changed"),
        ("UPDATE core_auditentry SET detail = '{\"a\": 1}' WHERE number = 1", "1 was changed"),
        ("DELETE FROM core_auditentry WHERE number = 3", "Entries 3 to 3 are missing"),
        ("DELETE FROM core_auditentry WHERE number < 3", "Entries 1 to 2 are missing"),
        ("DELETE FROM core_auditentry WHERE number > 3", "removed or added at the end"),
        ("DELETE FROM core_auditentry", "removed or added at the end"),
        ("DELETE FROM core_audithead", "seal"),
        ("UPDATE core_audithead SET seal = repeat('0', 64)", "seal"),
    ],
)
def test_what_a_superuser_of_the_database_changes_shows(
    log: list[AuditEntry], statement: str, said: str
) -> None:
    with guards_off() as cursor:
        cursor.execute(statement)
    assert any(said in line for line in verify().breaks)


def test_entries_put_in_another_order_show(log: list[AuditEntry]) -> None:
    with guards_off() as cursor:
        cursor.execute("UPDATE core_auditentry SET number = -number WHERE number IN (2, 3)")
        cursor.execute("UPDATE core_auditentry SET number = 5 + number WHERE number < 0")
    breaks = verify().breaks
    assert any("Entry 2 was changed" in line for line in breaks)
    assert any("Entry 3 does not follow" in line for line in breaks)


def test_an_entry_added_by_hand_shows(log: list[AuditEntry]) -> None:
    forged = AuditEntry(number=6, at=log[-1].at, actor="eve", via="person", action="a", target="b")
    forged.previous_digest = log[-1].digest
    forged.digest = audit_chain.digest_of(forged)
    forged.save(force_insert=True)
    assert any("added at the end" in line for line in verify().breaks)


def test_a_tail_cut_off_together_with_the_kept_end_shows(log: list[AuditEntry]) -> None:
    with guards_off() as cursor:
        cursor.execute("DELETE FROM core_auditentry WHERE number > 3")
        cursor.execute("UPDATE core_audithead SET number = 3, digest = %s", [log[2].digest])
    report = verify()
    assert report.is_chain_intact
    assert any("seal" in line for line in report.breaks)


def test_a_chain_computed_anew_lacks_the_secret(log: list[AuditEntry]) -> None:
    with guards_off():
        _rewrite(reason_of_second="never happened")
    report = verify()
    assert report.is_chain_intact
    assert any("seal" in line for line in report.breaks)


def _rewrite(reason_of_second: str) -> None:
    """Do what an attacker would: change one entry and compute every later digest anew."""
    previous = audit_chain.GENESIS
    for entry in AuditEntry.objects.order_by("number"):
        entry.previous_digest = previous
        if entry.number == 2:
            entry.reason = reason_of_second
        entry.digest = previous = audit_chain.digest_of(entry)
        entry.save(force_update=True)
    AuditHead.objects.update(digest=previous)


def test_going_on_after_a_break_does_not_heal_it(log: list[AuditEntry]) -> None:
    with guards_off():
        _rewrite(reason_of_second="never happened")
    audit.record(KIM, "test.do", "afterwards")
    assert any("seal" in line for line in verify().breaks)


def test_the_whole_log_and_its_end_thrown_away_shows(log: list[AuditEntry]) -> None:
    with guards_off() as cursor:
        cursor.execute("DELETE FROM core_auditentry")
        cursor.execute("DELETE FROM core_audithead")
    audit.record(KIM, "test.do", "afterwards")
    assert any("seal" in line for line in verify().breaks)


def test_an_entry_noted_elsewhere_must_still_be_there(log: list[AuditEntry]) -> None:
    assert verify([(3, log[2].digest)]).is_intact
    assert "noted elsewhere" in verify([(3, log[1].digest)]).breaks[0]
    assert "noted elsewhere" in verify([(9, log[1].digest)]).breaks[0]


def test_a_new_secret_needs_a_new_seal(log: list[AuditEntry], settings: LazySettings) -> None:
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another secret of the portal, long enough"
    assert any("seal" in line for line in verify().breaks)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert verify().is_intact
    settings.SECRET_KEY_FALLBACKS = []
    entry = reseal(KIM, "the secret was changed")
    assert (entry.action, verify().is_intact) == ("audit.reseal", True)


def test_no_seal_hides_a_broken_chain(log: list[AuditEntry]) -> None:
    with guards_off() as cursor:
        cursor.execute("UPDATE core_auditentry SET reason = 'x' WHERE number = 3")
    with pytest.raises(Conflict, match="Entry 3"):
        reseal(KIM, "please")


def test_the_command_verifies_and_prints_the_end(log: list[AuditEntry]) -> None:
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert f"5 entries, intact; end 5:{log[-1].digest}" in out.getvalue()


def test_the_command_fails_and_alerts_when_the_log_is_broken(log: list[AuditEntry]) -> None:
    with guards_off() as cursor:
        cursor.execute("UPDATE core_auditentry SET reason = 'x' WHERE number = 3")
    with pytest.raises(CommandError, match="broken"):
        call_command("verify_audit", stderr=StringIO())
    assert Alert.objects.open().get(key="audit.broken").severity == "critical"


@pytest.mark.django_db
def test_a_record_falls_with_the_transaction_it_reports() -> None:
    with rolled_back():
        audit.record(KIM, "test.do", "x")
    assert not AuditEntry.objects.exists()
    assert verify().is_intact


@pytest.mark.django_db
def test_a_refusal_is_recorded_after_its_transaction_and_goes_on() -> None:
    with pytest.raises(Refused, match="no"):
        _half_done()
    entry = AuditEntry.objects.get()
    assert (entry.outcome, entry.reason, entry.detail) == ("refused", "no", {"code": "not_yours"})
    assert not User.objects.exists()


def _half_done() -> None:
    with audit.refusals(KIM, "test.do", "x"), transaction.atomic():
        User.objects.create(username="half done")
        raise Refused("no", code="not_yours")


@pytest.mark.django_db(transaction=True)
def test_a_refusal_inside_a_transaction_outlives_its_rollback() -> None:
    with rolled_back():
        audit.refuse(KIM, "test.do", "x", Refused("no"))
    assert AuditEntry.objects.get().outcome == "refused"


@pytest.mark.django_db(transaction=True)
def test_a_refusal_never_waits_for_its_own_transaction(caplog: pytest.LogCaptureFixture) -> None:
    with rolled_back():
        audit.record(KIM, "test.do", "first")
        audit.refuse(KIM, "test.do", "x", Refused("no"))
    assert not AuditEntry.objects.exists()
    assert "refusal recorded inside its own transaction" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_keep_one_chain(seal_log: None, in_threads: Callable[..., None]) -> None:
    def write(number: int) -> None:
        for step in range(10):
            with transaction.atomic():
                audit.record(KIM, "test.do", f"{number}.{step}")

    in_threads(write, 4)
    assert AuditEntry.objects.count() == 40
    assert verify().is_intact


@pytest.mark.django_db(transaction=True)
def test_verifying_while_others_write_finds_nothing_wrong(
    seal_log: None, in_threads: Callable[..., None]
) -> None:
    stop = threading.Event()
    reports: list[Report] = []

    def work(number: int) -> None:
        if number == 0:
            reports.extend(verify() for _ in range(15))
            stop.set()
        while not stop.is_set():
            audit.record(KIM, "test.do", "x")

    in_threads(work, 3)
    assert all(report.is_intact for report in reports)


@pytest.mark.django_db(transaction=True)
def test_the_chain_goes_on_when_the_kept_end_was_lost(seal_log: None) -> None:
    first = audit.record(KIM, "test.do", "x")
    with transaction.atomic(), guards_off() as cursor:
        cursor.execute("DELETE FROM core_audithead")
    second = audit.record(KIM, "test.do", "y")
    assert (second.number, second.previous_digest) == (2, first.digest)


@pytest.mark.django_db
def test_numbers_have_no_gaps_after_a_rollback() -> None:
    audit.record(KIM, "test.do", "x")
    with rolled_back():
        audit.record(KIM, "test.do", "gone")
    audit.record(KIM, "test.do", "y")
    assert [entry.number for entry in AuditEntry.objects.order_by("number")] == [1, 2]

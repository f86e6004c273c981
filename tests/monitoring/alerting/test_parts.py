"""Parts of the portal that are ill for a while become alerts, and so do schedules that fail."""

import pytest
from django.utils import translation

from monitoring.engine.latch import Latch
from monitoring.services.alerting import parts
from monitoring.services.alerting.advice import ADVICE
from portal.core import alert_kinds
from portal.core.actors import Actor
from portal.core.findings import Finding, Status
from portal.core.models import Alert
from portal.runs import services
from portal.runs.models import Run
from portal.runs.tasks import perform

ILL = {"beat": Finding(Status.DEGRADED, "No beat: schedules do not start.")}
WELL = {"beat": Finding(Status.HEALTHY)}


def test_a_latch_changes_only_after_the_opposite_has_lasted() -> None:
    latch = Latch(opens_after_s=60, closes_after_s=30)
    looks = [(0, True), (59, True), (60, True), (70, False), (80, True), (90, False), (120, False)]
    judged = [latch.note(is_ill=is_ill, at_s=at_s) for at_s, is_ill in looks]
    assert judged == [False, False, True, True, True, True, False]


@pytest.mark.django_db
def test_a_part_that_is_ill_for_a_minute_alerts_until_it_is_well_for_one() -> None:
    watch = parts.Parts()
    for at_s in (0, 30, 59):
        watch.note(ILL, at_s)
    assert not Alert.objects.exists()
    watch.note(ILL, 60)
    alert = Alert.objects.get()
    assert (alert.key, alert.severity) == ("health.beat", "warning")
    assert alert.said_in("ko") != alert.said_in("en")
    watch.note(WELL, 70)
    watch.note(WELL, 100)
    assert Alert.objects.open().exists()
    watch.note(WELL, 131)
    assert not Alert.objects.open().exists()


@pytest.mark.django_db
def test_another_process_ends_what_one_that_died_began() -> None:
    first = parts.Parts()
    first.note(ILL, 0)
    first.note(ILL, 60)
    second = parts.Parts()
    second.note(WELL, 1_000)
    second.note(WELL, 1_060)
    assert not Alert.objects.open().exists()


@pytest.mark.django_db(transaction=True)
def test_a_schedule_whose_work_says_no_alerts_until_it_succeeds() -> None:
    def scheduled(**parameters: str) -> None:
        run = services.enqueue(
            kind="portal.selftest",
            actor=Actor.system("tests", via=Run.Via.SCHEDULE),
            parameters=parameters,
        )
        perform(str(run.pk), worker="tests:1")

    scheduled(fail_with="refusal")
    alert = Alert.objects.open().get()
    assert alert.key == "run-failed:portal.selftest"
    scheduled()
    assert not Alert.objects.open().exists()


@pytest.mark.parametrize("prefix", sorted(ADVICE))
def test_every_kind_of_alert_says_what_to_do_in_both_languages(prefix: str) -> None:
    kind = alert_kinds.of(f"{prefix}x")
    said = {}
    for language in ("ko", "en"):
        with translation.override(language):
            said[language] = f"{kind.title}: {kind.advice}"
    assert kind.prefix == prefix
    assert said["ko"] != said["en"]

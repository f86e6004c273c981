"""Why trials gave no figures, in the reader's language, and what time they cost."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from django.utils import translation

from portal.core.actors import Actor
from portal.lib import clock, tunables
from portal.lib.tunables import Beat, Figure, NotMeasurable, Reading, Setting, Value
from portal.runs import kinds, leases
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import Run
from tests.tuning.people import caller
from tuning import dispatch, selectors, tasks
from tuning.engine.problems import RefusedByEngine, TargetLost, TuningError
from tuning.models import Study, Trial
from tuning.services import ends, studies

pytestmark = pytest.mark.django_db

ACTOR = Actor.system("test")
TRIAL_S = 3


@pytest.fixture
def trial() -> Trial:
    """Give a trial in hand."""
    study = studies.create(target="toy", actor=ACTOR)
    return Trial.objects.create(study=study, number=0, facts={"origin": {}})


def test_a_lost_trial_is_told_in_the_readers_language_not_the_workers(trial: Trial) -> None:
    with translation.override("ko"):
        assert ends.mark_lost(trial.study, "worker_died") == 1
    trial.refresh_from_db()
    assert trial.state == Trial.State.LOST
    with translation.override("en"):
        assert selectors.reason(trial).startswith("The worker or the database died")
        assert selectors.lines([trial])[0].note == selectors.reason(trial)
    with translation.override("ko"):
        assert selectors.reason(trial) == "시험 도중에 작업자 또는 데이터베이스가 종료되었습니다."

    path = f"/api/v1/studies/{trial.study_id}/trials/"
    client = caller("viewer", "read")
    (row,) = client.get(path, HTTP_ACCEPT_LANGUAGE="ko").json()["results"]
    assert row["reason"].startswith("시험 도중에")


@pytest.mark.parametrize(
    "error",
    [
        RefusedByEngine("Invalid argument: {odd} \x00"),
        TargetLost("target_lost", target="RocksDB", reason="signal 9"),
        TuningError("foreign_load", load=1.26),
        TuningError("disk_filled"),
        TuningError("no_space", folder=Path("trials"), value=3, limit=900),
    ],
)
def test_every_reason_is_kept_as_code_and_values(trial: Trial, error: TuningError) -> None:
    ends.give(trial, error)
    trial.finished_at = clock.now()
    trial.save()
    trial.refresh_from_db()
    assert trial.facts["origin"] == {}
    with translation.override("en"):
        assert selectors.reason(trial) == str(error).replace("\x00", "")
    with translation.override("ko"):
        assert selectors.reason(trial) != str(error)


@pytest.mark.parametrize(
    "cause", [None, {}, {"code": "of another release", "params": {}}, {"code": "foreign_load"}]
)
def test_what_another_release_kept_stays_readable(cause: object) -> None:
    facts = {} if cause is None else {selectors.CAUSE: cause}
    assert selectors.reason(Trial(reason="No more.", facts=facts)) == "No more."


class Breaking:
    """Breaks in the whole trial after a first look; the study it belongs to rests from there on."""

    name, title = "breaking", "What breaks"
    settings = (Setting("dial", "real", 0.5, 0.0, 1.0),)
    figures = (Figure("speed", "speed", "1/s", "higher", "throughput", "this test"),)

    def __init__(self) -> None:
        self.is_looked_at = False
        self.spent: list[float] = []

    def subjects(self) -> Sequence[tuple[str, str]]:
        return (("all", "All there is"),)

    def problem(self, configuration: Mapping[str, Value]) -> str:
        return ""

    def exported(self, configuration: Mapping[str, Value]) -> tuple[str, str]:
        return "breaking.json", "{}"

    def measure(
        self,
        configuration: Mapping[str, Value],
        subject: str,
        *,
        seconds: float,
        seed: int,
        folder: Path,
        beat: Beat,
    ) -> Reading:
        began = time.perf_counter()
        try:
            if not self.is_looked_at:
                self.is_looked_at = seconds < TRIAL_S
                return Reading({"speed": 100.0}, {"speed": [100.0]})
            Study.objects.update(is_paused=True)
            time.sleep(0.2)
            raise NotMeasurable("The dial came off.")
        finally:
            self.spent.append(time.perf_counter() - began)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_client")
def test_what_a_failed_measurement_took_counts_for_its_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaking = Breaking()
    monkeypatch.setitem(tunables._tunables, breaking.name, breaking)
    budget = {"seconds": 1_000, "trial_seconds": TRIAL_S, "trials": 2, "pruner": "median"}
    study = dispatch.start(target=breaking.name, actor=ACTOR, budget=budget)
    claimed = leases.claim(Run.objects.get(pk=str(study.run_id)).pk, worker="tests:1")
    assert claimed is not None
    kinds.get(tasks.STUDY).work(RunContext(claimed, Keeper(claimed)))

    trial = study.trials.get(state=Trial.State.FAILED)
    assert trial.seconds >= sum(breaking.spent[-2:]), "the first look and what broke"
    assert [bool(end) for _began, end in trial.facts["spells"]] == [True, True]
    assert "The dial came off." in selectors.reason(trial)

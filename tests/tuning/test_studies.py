"""Studies with a real worker: searched, proved, paused, resumed, killed; and what is refused."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from portal.runs.models import Run, State
from tuning import dispatch
from tuning.models import Study, Trial
from tuning.services import studies

ACTOR = Actor.system("test")
SMALL = {"seconds": 100_000, "trial_seconds": 1, "trials": 12, "pairs": 6}

Wait = Callable[..., Any]


def is_over(study: Study) -> bool:
    return Run.objects.get(pk=str(Study.objects.get(pk=study.pk).run_id)).is_terminal


@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_a_study_finds_the_best_rests_and_goes_on(
    celery_worker: Callable[..., Any], wait_for: Wait
) -> None:
    worker = celery_worker("bench")
    study = dispatch.start(target="toy", actor=ACTOR, budget=SMALL | {"trials": 60}, seed=3)
    wait_for(lambda: study.trials.filter(state="complete").count() > 4 or is_over(study), 120)
    studies.pause(study=study)
    wait_for(lambda: is_over(study), 120)
    study.refresh_from_db()
    assert study.state == "paused", worker.output()
    assert study.phase == Study.Phase.SEARCH
    Study.objects.filter(pk=study.pk).update(budget=study.budget | {"n_trials": 16})
    dispatch.resume(study=study, actor=ACTOR)
    wait_for(lambda: is_over(study), 200)
    study.refresh_from_db()
    assert Run.objects.get(pk=str(study.run_id)).state == State.SUCCEEDED, worker.output()
    assert (study.phase, study.verdict) == (Study.Phase.DONE, Study.Verdict.BETTER)
    assert study.proof["interval"]["low"] > 1
    assert study.best is not None
    assert study.trials.filter(role="search").count() == 16
    complete = study.trials.filter(state="complete")
    assert not complete.filter(samples=None).exists()
    assert set(study.findings["importance"]) == {"buffer", "share", "mode", "cache"}
    with pytest.raises(Conflict, match="is done"):
        dispatch.resume(study=study, actor=ACTOR)
    _check_version(study)


def _check_version(study: Study) -> None:
    """Judge and put live what the study registered, and see it in use."""
    version = ModelVersion.objects.get(model__name="tuned-toy-plain")
    assert study.proof["version"]["id"] == version.pk
    gate = registry.weigh(version)
    assert gate.outcome != "failed"
    with pytest.raises(CommandError, match="No option set"):
        call_command("tuned_options", "tuned-toy-plain", stdout=StringIO())
    registry.bootstrap_champion(version=version, reason="test", actor=ACTOR)
    out = StringIO()
    call_command("tuned_options", "tuned-toy-plain", stdout=out)
    assert json.loads(out.getvalue()) == study.proof["candidate"]
    assert studies.create(target="toy", actor=ACTOR).current == study.proof["candidate"]


@pytest.mark.integration
@pytest.mark.timeout(400)
@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_loses_one_trial_and_the_study_goes_on(
    celery_worker: Callable[..., Any], wait_for: Wait
) -> None:
    worker = celery_worker("bench")
    study = dispatch.start(target="sham", actor=ACTOR, budget=SMALL)
    other = dispatch.start(target="sham", actor=ACTOR, budget=SMALL)
    wait_for(lambda: study.trials.filter(state="running", role="search").exists(), 120, pause=0.01)
    worker.kill()
    assert other.trials.count() == 0, "the second study on one target waits"
    celery_worker("bench")
    wait_for(lambda: is_over(study) and is_over(other), 300, pause=0.5)
    study.refresh_from_db()
    assert study.phase == Study.Phase.DONE
    assert study.trials.filter(state=Trial.State.RUNNING).count() == 0
    assert study.trials.filter(state=Trial.State.LOST).count() <= 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"target": "sonar"}, "no target “sonar”"),
        ({"workload": "storm"}, "no workload 'storm'"),
        ({"budget": "soon"}, "“soon” is no duration"),
        ({"budget": {"seconds": 1}}, "budget.seconds is 1"),
        ({"budget": {"sampler": "magic"}}, "“magic” is not known"),
        ({"budget": {"hours": 2}}, "known are"),
        ({"objective": "beauty"}, "“beauty” is not known"),
        ({"objective": {"weights": {"accuracy": 1}}}, "measures nothing of accuracy"),
        ({"objective": {"weights": {"latency": float("nan")}}}, "weights is nan"),
        ({"objective": {"weights": {"latency": 0}}}, "All weights are 0"),
        ({"objective": {"guards": [{"metric": "beauty", "bound": 1}]}}, "“beauty” is not known"),
        ({"space": {"color": {}}}, "color is not an option"),
        ({"space": {"buffer": {"low": 9999}}}, "buffer is 9999"),
        ({"space": {"mode": {"choices": ["slow"]}}}, "mode is 'slow'"),
        ({"space": {"mode": 3}}, "must be an object"),
        ({"space": {"share": {"low": -5}}}, "share is -5"),
        ({"space": {"mode": {"choices": []}}}, r"mode is \[\]"),
        ({"space": {"mode": {"low": 1}}}, "no number and has no bounds"),
        ({"space": {"cache": {"choices": [True]}}}, "no list to choose from"),
        ({"space": {"buffer": {"low": 1.5, "high": 1.7}}}, "buffer is 1.5"),
        ({"budget": 0}, "budget.seconds is 0"),
        ({"budget": ""}, "is no duration"),
        ({"budget": {"seconds": 60, "trials": 2.7}}, "trials is 2.7"),
        ({"budget": {"seconds": 10, "trial_seconds": 3600}}, "do not fit into 10 s"),
        (
            {"objective": {"guards": [{"metric": "rate", "bound": 1, "relative": "no"}]}},
            "“no” is not known",
        ),
        ({"current": {"buffer": 3000}}, "A buffer over"),
    ],
)
def test_what_is_wrong_is_named(asked: dict[str, Any], said: str) -> None:
    whole: dict[str, Any] = {"target": "toy", "actor": ACTOR} | asked
    with pytest.raises(InvalidInput, match=said):
        studies.create(**whole)


@pytest.mark.django_db
def test_weights_are_shares_and_nothing_asked_is_the_first_factor() -> None:
    study = studies.create(
        target="toy", actor=ACTOR, objective={"weights": {"throughput": 3, "latency": 1}}
    )
    assert study.objective["weights"]["throughput"] == 0.75
    assert study.objective["metrics"] == {"throughput": "rate", "latency": "put_p99_us"}
    plain = studies.create(target="toy", actor=ACTOR, budget="5m")
    assert plain.objective["weights"]["throughput"] == 1
    assert plain.budget["seconds"] == 300
    assert plain.current == {"buffer": 16, "share": 0.2, "mode": "safe", "cache": False}


@pytest.mark.django_db
def test_a_study_that_rests_is_neither_paused_nor_cancelled() -> None:
    study = studies.create(target="sham", actor=ACTOR)
    with pytest.raises(Conflict, match="nothing to pause"):
        studies.pause(study=study)
    with pytest.raises(Conflict, match="nothing to cancel"):
        dispatch.cancel(study=study, actor=ACTOR)

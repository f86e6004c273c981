"""Where a search begins: an earlier study, the put-rate model, advice; and that it is said."""

import pytest

from portal.core.actors import Actor
from tests.tuning.put_trials import a_study, trial, trials
from tests.tuning.test_put_rate import fitted
from tuning import selectors
from tuning.engine import sampling
from tuning.engine.sampling import Search
from tuning.models import Study, Trial
from tuning.services import first_points, history, put_inputs, put_rates, reports, studies, targets

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

ACTOR = Actor.system("test")
STALLED = {"stalled_share": 0.7, "drain_s": 7.0, "put_rate": 40_000.0, "read_rate": 0.0}


def asked(study: Study, n: int) -> list[sampling.Proposal]:
    """Return the first proposals of a study's search."""
    target = targets.get(study.target)
    options = history.space(study, target)
    made = sampling.make_study(
        name="one", n_gains=1, sampler=sampling.make_sampler("random", options, 1)
    )
    search = Search(made, options, target, study.current)
    first_points.enqueue(study, target, history.plan(study, target), search, STALLED)
    found = [search.ask(first_points.focus(study, target, STALLED)) for _ask in range(n)]
    return [one for one in found if one is not None]


def test_advice_for_a_stalled_engine_comes_before_what_the_sampler_draws() -> None:
    study = a_study("held-disk")
    advised = targets.get("rocksdb").advice(STALLED)
    found = asked(study, len(advised) + 3)
    assert [one.origin.get("name", "") for one in found] == [
        *(one.name for one in advised),
        *([""] * 3),
    ]
    spoken_of = {name for one in advised for name in one.changes}
    for one in found:
        changed = {
            name for name, value in one.configuration.items() if value != study.current[name]
        }
        assert changed <= spoken_of


def test_the_first_advice_comes_before_what_the_model_predicts() -> None:
    trials(a_study(), put_rates.LEAST_TRIALS)
    fitted()
    study = a_study()
    trial(study, 0, {})
    Trial.objects.filter(study=study).update(role=Trial.Role.BASELINE)
    kinds = [one.origin["kind"] for one in asked(study, 4)]
    assert kinds == ["advice", "model", "model", "advice"]


def test_a_study_with_a_space_of_its_own_changes_nothing_else() -> None:
    study = studies.create(
        target="rocksdb", workload="held-disk", actor=ACTOR, space={"compression": {}}
    )
    found = asked(study, 4)
    assert [one.origin.get("name") for one in found[:2]] == ["universal-zstd", "merged-buffers"]
    for one in found:
        changed = {
            name for name, value in one.configuration.items() if value != study.current[name]
        }
        assert changed <= {"compression"}


def test_the_best_of_an_earlier_study_and_of_the_model_are_measured_first() -> None:
    earlier = a_study()
    trials(earlier, put_rates.LEAST_TRIALS)
    Trial.objects.filter(study=earlier).update(score=0.1)
    fitted()
    study = studies.create(
        target="rocksdb", workload="held-disk-synced", actor=ACTOR, warm_from=earlier
    )
    trial(study, 0, {})
    Trial.objects.filter(study=study).update(role=Trial.Role.BASELINE)
    found = asked(study, 4)
    kinds = [one.origin["kind"] for one in found]
    assert kinds[0] == first_points.WARM
    model = [one for one in asked(study, 12) if one.origin.get("kind") == first_points.MODEL]
    assert len(model) == first_points.N_PREDICTED
    form = put_rates.active(put_rates.forms())
    assert form is not None
    assert {one.origin["name"] for one in model} == {form.name}
    assert float(model[0].origin["rate"]) >= float(model[1].origin["rate"]) > 0


def test_where_a_trial_comes_from_is_said_in_the_report() -> None:
    study = a_study("held-disk")
    made = trial(study, 3, {"compression": "zstd"})
    made.facts |= {"origin": {"kind": "advice", "name": "zstd", "why": "-"}}
    made.save()
    assert selectors.came_from(made) == "advice “zstd”"
    assert "advice “zstd”" in reports.render(study, "md")[0].decode()
    assert first_points.origin_of(study, made.configuration)["name"] == "zstd"
    assert put_inputs.BEFORE in made.facts


def test_a_machine_that_is_always_busy_is_known_by_its_last_three_trials() -> None:
    made = trials(a_study("held-disk"), 5)
    for one, is_disturbed in zip(made, (False, True, True, True), strict=False):
        one.facts |= {"is_disturbed": is_disturbed}
        one.save()
    assert not history.is_always_busy(made[3])
    assert history.is_always_busy(made[4])

"""The put-rate model at work: fitted, scored beside measurements, disabled, shown."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from portal.core.actors import Actor
from portal.core.errors import Conflict
from portal.core.models import Alert
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from portal.runs import kinds, leases
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import Run
from tests.tuning.people import person
from tests.tuning.put_trials import a_study, trials
from tuning import dispatch, tasks
from tuning.models import PutRateForm, PutRateScore, Study, Trial
from tuning.services import machine, put_inputs, put_rates, put_scores

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

ACTOR = Actor.system("test")
FORMS = ["v1", "v2", "v3", "v4", "v5"]


def fitted() -> Run:
    """Fit in this process and return the run, which is over."""
    run = dispatch.fit_put_rate(actor=ACTOR)
    claimed = leases.claim(run.pk, worker="tests:1")
    assert claimed is not None
    kinds.get(tasks.FIT_PUT_RATE).work(RunContext(claimed, Keeper(claimed)))
    Run.objects.filter(pk=run.pk).update(state="succeeded", finished_at=claimed.created_at)
    return run


def signed_in(role: str) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(person(role))
    return client


@pytest.fixture
def study() -> Study:
    """Give a study with as many trials as a fit needs."""
    made = a_study()
    trials(made, put_rates.LEAST_TRIALS)
    return made


def test_too_few_trials_are_told_with_the_number_needed() -> None:
    trials(a_study(), 3)
    with pytest.raises(Conflict, match="3 of 3 configurations, and a fit needs 16 of 8"):
        dispatch.fit_put_rate(actor=ACTOR)
    with pytest.raises(CommandError, match="Not enough trials"):
        call_command("fit_put_rate", stdout=StringIO())
    text = signed_in("operator").get(reverse("admin:tuning_study_put_rate")).text
    assert "a fit needs 16 of 8" in text
    assert "Nothing is fitted yet" in text
    assert ">Fit</button>" not in text


def test_a_fit_registers_five_forms_with_the_error_on_configurations_left_out(
    study: Study,
) -> None:
    run = fitted()
    version = ModelVersion.objects.get(run=run)
    assert version.model.name == "put-rate"
    assert sorted(version.artifact_digests) == [f"{name}.json" for name in FORMS]
    assert b'"model":"v5"' in registry.read_artifact(version, "v5.json")
    found = put_rates.forms()
    assert [form.name for form in found] == FORMS
    for form in found:
        assert form.evaluation["n"] == put_rates.LEAST_TRIALS
        assert 0 <= form.evaluation["coverage"] <= 1
        assert form.evaluation["median_ape"] <= form.evaluation["p90_ape"]
    answering = put_rates.active(found)
    assert answering is not None
    least = min(form.evaluation["median_ape"] for form in found)
    assert answering.evaluation["median_ape"] == least


def test_a_new_trial_is_predicted_by_all_forms_before_it_enters_a_fit(study: Study) -> None:
    fitted()
    assert put_scores.score(list(study.trials.all())) == 0
    new = trials(study, 2)
    assert put_scores.score(new[:1]) == len(FORMS)
    assert put_scores.score(new[:1]) == 0
    earlier = put_rates.forms()[0].version
    fitted()
    scores = PutRateScore.objects.filter(trial=new[1], form__version=earlier)
    assert scores.count() == len(FORMS)
    assert set(put_rates.forms()[0].version.lineage["trials"]) >= {one.pk for one in new}
    one = scores.get(form__name="v5")
    assert one.low < one.predicted < one.high
    assert one.error == pytest.approx(one.predicted / one.actual - 1)


def test_a_form_beyond_its_interval_is_disabled_until_it_is_fitted_again(study: Study) -> None:
    fitted()
    good = trials(study, put_rates.FEWEST_RECENT)
    put_scores.score(good)
    assert all(form.is_enabled for form in put_rates.forms() if form.name == "v5")
    put_scores.score(trials(study, put_rates.N_RECENT, times=0.05))
    last = put_rates.forms()[-1]
    assert (last.name, last.is_enabled) == ("v5", False)
    assert Alert.objects.open().filter(key="tuning.put_rate.v5").exists()
    answering = put_rates.active(put_rates.forms())
    assert answering is None or answering.name != "v5"
    text = signed_in("viewer").get(reverse("admin:tuning_study_put_rate")).text
    assert "Only a new fit enables it again" in text
    put_scores.score(trials(study, put_rates.N_RECENT))
    assert not PutRateForm.objects.get(pk=last.pk).is_enabled
    fitted()
    assert all(form.is_enabled for form in put_rates.forms())
    assert not Alert.objects.open().filter(key__startswith="tuning.put_rate.").exists()


def test_the_page_shows_predicted_against_measured_and_who_answers(study: Study) -> None:
    fitted()
    address = reverse("admin:tuning_study_put_rate")
    assert "No trial since the fit" in signed_in("viewer").get(address).text
    put_scores.score(trials(study, 3))
    text = signed_in("viewer").get(address).text
    assert "<svg" in text
    assert "predicted as measured" in text
    assert "of the forms that are not disabled it has the least error" in text
    assert ">Fit</button>" not in text
    operator = signed_in("operator")
    assert ">Fit</button>" in operator.get(address).text
    n_before = Run.objects.filter(kind=tasks.FIT_PUT_RATE).count()
    act = reverse("admin:tuning_study_fit_put_rate")
    assert signed_in("viewer").post(act).status_code == 403
    assert operator.post(act).headers["Location"] == address
    assert Run.objects.filter(kind=tasks.FIT_PUT_RATE).count() == n_before + 1


def test_only_loads_of_puts_alone_are_predicted(study: Study) -> None:
    mixed = a_study("mixed")
    row = Trial(study=mixed, configuration=mixed.current, values={put_inputs.RATE: 9.0})
    with machine.folder() as folder:
        assert put_inputs.before(mixed, 2.0, folder) == {}
        known = put_inputs.before(study, 2.0, folder)[put_inputs.BEFORE]
    assert known["write_bps"] == 16 * (1 << 20)
    assert known["spin_ns"] > 0
    row.facts = {put_inputs.BEFORE: known}
    assert put_inputs.of(row) is None


def test_a_device_that_is_not_held_is_probed() -> None:
    with machine.folder() as folder:
        known = put_inputs.before(a_study("put-heavy"), 2.0, folder)[put_inputs.BEFORE]
    assert known["write_bps"] > 1
    assert known["read_bps"] > 1

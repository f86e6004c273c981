"""The JSON documents of a study, and the panels of its report."""

import pytest

from tests.tuning.people import caller
from tests.tuning.put_trials import a_study, trials
from tests.tuning.test_put_rate import fitted
from tuning.models import Trial
from tuning.services import put_rates, put_scores, records, reports

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]


@pytest.mark.parametrize("kind", records.KINDS)
def test_every_document_says_what_it_is_of(kind: str) -> None:
    study = a_study("held-disk")
    trials(study, 2)
    answer = caller("operator", "read").get(f"/api/v1/studies/{study.pk}/records/{kind}/")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["kind"], found["study"], found["schema"]) == (kind, str(study.pk), 1)


def test_an_unknown_document_is_refused_with_those_there_are() -> None:
    study = a_study("held-disk")
    answer = caller("operator", "read").get(f"/api/v1/studies/{study.pk}/records/weather/")
    assert answer.status_code == 404
    assert "tuning, performance, integration, deployment" in answer.json()["detail"]


def test_trials_and_their_origin_stand_in_the_tuning_document() -> None:
    study = a_study("held-disk")
    made = trials(study, 2)
    made[0].facts |= {"origin": {"kind": "advice", "name": "zstd"}}
    made[0].save()
    found = records.document(study, "tuning")["trials"]
    assert [one["number"] for one in found] == [0, 1]
    assert found[0]["origin"]["name"] == "zstd"
    assert records.document(study, "integration")["trials_by_state"] == {"complete": 2}
    assert records.document(study, "deployment")["version"] is None


def test_predicted_against_measured_is_a_panel_of_the_report() -> None:
    trials(a_study(), put_rates.LEAST_TRIALS)
    fitted()
    study = a_study()
    trials(study, 3)
    Trial.objects.filter(study=study).update(score=0.1)
    put_scores.score(list(study.trials.select_related("study")))
    shown = reports.render(study, "html")[0].decode()
    assert "against measured" in shown
    assert len(records.document(study, "integration")["put_rate"]) == 3

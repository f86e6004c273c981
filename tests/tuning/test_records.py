"""The JSON documents of a study, and the panels of its report."""

import json

import numpy as np
import pytest
from django.core.files.storage import storages

from portal.runs import artifacts
from tests.tuning.people import caller
from tests.tuning.put_trials import a_study, trials
from tests.tuning.test_put_rate import fitted
from tuning.engine import histogram
from tuning.models import Trial
from tuning.services import latencies, put_rates, put_scores, records, reports

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
    assert "tuning, performance, integration, deployment, realtime" in answer.json()["detail"]


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


def test_latencies_of_both_sides_of_the_proof_are_a_panel_of_the_report() -> None:
    study = a_study("held-disk")
    sides = {Trial.Role.PROOF_CURRENT: 1_000, Trial.Role.PROOF_CANDIDATE: 64_000}
    for made, (role, nanoseconds) in zip(trials(study, 4), [*sides.items()] * 2, strict=True):
        counts = histogram.counted(np.full(50, nanoseconds))
        content = json.dumps({"samples": {"put_latency_counts": counts.tolist()}})
        made.samples = artifacts.save(content.encode(), "application/json")
        made.role = role
        made.save()
    found = latencies.of(study, list(study.trials.all()))
    assert found is not None
    assert (found.operation, found.current.sum(), found.candidate.sum()) == ("put", 100, 100)
    (middle,), (share,) = latencies.shares(found.candidate)
    assert middle == pytest.approx(64, rel=0.1)
    assert share == pytest.approx(100)
    for form in ("html", "md"):
        shown = reports.render(study, form)[0].decode()
        assert "how long puts took, options in use beside candidate" in shown
        assert "Nothing was predicted" in shown
    assert reports.render(study, "pdf")[0].startswith(b"%PDF")


def test_a_report_does_without_a_file_that_is_gone() -> None:
    study = a_study("held-disk")
    gone = artifacts.save(b"{}", "application/json")
    for made in trials(study, 2):
        made.samples = gone
        made.role = Trial.Role.PROOF_CURRENT
        made.save()
    storages["artifacts"].delete(gone.storage_name)
    assert latencies.of(study, list(study.trials.all())) is None


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

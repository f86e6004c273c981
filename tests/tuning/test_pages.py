"""Pages of studies: list, form, live page, acts, and who may see what."""

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.core.actors import Actor
from portal.lib import clock
from tests.tuning.people import person
from tuning.models import Study, Trial
from tuning.services import studies

pytestmark = pytest.mark.django_db


def signed_in(role: str) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(person(role))
    return client


@pytest.fixture
def study() -> Study:
    """Give a study of the toy whose proof found a gain."""
    made = studies.create(target="toy", actor=Actor.system("test"), name="Line 1")
    for number, (role, score) in enumerate(
        [("baseline", 0.0), ("search", 0.2), ("search", -0.1), ("search", 0.4)]
    ):
        Trial.objects.create(
            study=made,
            number=number,
            role=role,
            state=Trial.State.COMPLETE,
            configuration=made.current | {"buffer": 16 + number},
            values={"rate": 100.0 + number, "put_p99_us": 50.0 - number},
            score=score,
            finished_at=clock.now(),
        )
    Trial.objects.create(
        study=made, number=4, state="failed", reason="no <b>", finished_at=clock.now()
    )
    Study.objects.filter(pk=made.pk).update(
        phase=Study.Phase.DONE,
        verdict=Study.Verdict.BETTER,
        best=made.trials.get(number=3),
        findings={
            "current": {"rate": 100.0, "put_p99_us": 50.0},
            "importance": {"buffer": 0.7, "share": 0.3},
            "pareto": [3],
        },
        proof={
            "interval": {"n_pairs": 4, "ratio": 1.5, "low": 1.3, "high": 1.7},
            "ground": "interval",
            "log_ratios": [0.4, 0.41, 0.39, 0.42],
            "candidate": made.current | {"buffer": 19},
            "metrics": {"rate": {"current": 100.0, "candidate": 150.0}},
        },
    )
    made.refresh_from_db()
    return made


def page(client: Client, study: Study) -> Any:
    return client.get(reverse("admin:tuning_study_change", args=[study.pk]))


def test_a_study_is_shown_with_verdict_proof_and_pictures(study: Study) -> None:
    answer = page(signed_in("viewer"), study)
    assert answer.status_code == 200
    assert "does 1.500 times as well" in answer.text
    assert "no &lt;b&gt;" in answer.text
    assert answer.text.count("<svg") >= 4
    assert "Operation rate" in answer.text
    assert ">Resume</button>" not in answer.text


@pytest.mark.parametrize("ground", ["search", "budget", "equivalent", "guards", "interval"])
def test_no_gain_is_said_in_these_words(study: Study, ground: str) -> None:
    verdict = "no_effect" if ground in {"search", "budget", "equivalent"} else "worse"
    Study.objects.filter(pk=study.pk).update(
        verdict=verdict, proof=study.proof | {"ground": ground}
    )
    text = page(signed_in("viewer"), study).text
    assert ("No gain" in text) == (verdict == "no_effect")
    assert "Keep" in text


def test_a_study_without_a_trial_says_what_to_wait_for() -> None:
    empty = studies.create(target="sham", actor=Actor.system("test"))
    answer = page(signed_in("operator"), empty)
    assert "Nothing is measured yet" in answer.text
    assert ">Resume</button>" in answer.text
    live = signed_in("viewer").get(reverse("admin:tuning_study_live", args=[empty.pk])).json()
    assert live["is_terminal"] is True
    assert "Nothing is measured yet" in live["html"]


def test_a_form_starts_a_study_and_says_what_is_wrong() -> None:
    client = signed_in("operator")
    address = reverse("admin:tuning_study_start")
    assert "hnsw/generated-10k" in client.get(address).text
    given = {"subject": "hnsw/generated-2k", "budget": "soon", "sampler": "tpe"}
    refused = client.post(address, given)
    assert refused.status_code == 422
    assert "is no duration" in refused.text
    done = client.post(address, given | {"budget": "2m", "latency": "2", "accuracy": "1"})
    made = Study.objects.get()
    assert done.headers["Location"] == reverse("admin:tuning_study_change", args=[made.pk])
    assert made.objective["weights"]["latency"] == pytest.approx(2 / 3)


def test_acts_of_a_study_are_posted_and_asked_for(study: Study) -> None:
    operator, viewer = signed_in("operator"), signed_in("viewer")
    for verb in ("pause", "resume", "cancel"):
        address = reverse(f"admin:tuning_study_{verb}", args=[study.pk])
        assert viewer.post(address).status_code == 403
        assert operator.post(address, follow=True).status_code in {200, 409}
    assert viewer.get(reverse("admin:tuning_study_start")).status_code == 403
    missing = reverse("admin:tuning_study_change", args=[uuid.uuid4()])
    assert viewer.get(missing).status_code == 404


def test_the_list_leads_to_the_form_for_those_who_may(study: Study) -> None:
    address = reverse("admin:tuning_study_changelist")
    assert "Start a study" in signed_in("operator").get(address).text
    text = signed_in("viewer").get(address).text
    assert "Line 1" in text
    assert reverse("admin:tuning_study_start") not in text


@pytest.mark.parametrize(
    ("form", "begins"), [("html", b"<!"), ("pdf", b"%PDF"), ("md", b"# "), ("json", b"{")]
)
def test_a_study_is_reported_in_four_formats(study: Study, form: str, begins: bytes) -> None:
    answer = signed_in("viewer").get(f"/api/v1/studies/{study.pk}/report/?format={form}")
    assert answer.status_code == 200
    assert answer.content.lstrip().startswith(begins)
    assert form in answer.headers["Content-Disposition"]


def test_a_report_of_nothing_says_so_and_an_unknown_format_is_named(study: Study) -> None:
    client = signed_in("viewer")
    empty = studies.create(target="sham", actor=Actor.system("test"))
    text = client.get(f"/api/v1/studies/{empty.pk}/report/?format=md").content.decode()
    assert "nothing can be said yet" in text
    refused = client.get(f"/api/v1/studies/{study.pk}/report/?format=docx")
    assert refused.status_code == 422
    assert "docx" in refused.content.decode()

"""The admin's pages of predictions, explanations and outcomes, with a real small model behind."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from portal.core.models import User
from portal.lib import clock
from portal.registry.models import ModelVersion
from portal.runs import artifacts, kinds, leases
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import Run, RunArtifact
from predictions import tasks
from predictions.models import Explanation, Outcome, Prediction
from predictions.services import explainers, feedback, records
from tests.predictions.records import make_record

pytestmark = pytest.mark.django_db

Shots = list[dict[str, float | None]]
Make = Callable[..., Prediction]


@pytest.fixture(autouse=True)
def cold() -> Iterator[None]:
    yield
    explainers._explainers.forget()
    explainers._histories.forget()


@pytest.fixture
def signed_in(db: None) -> Callable[[str], Client]:
    """Give ``signed_in("operator")``: a browser without scripts, reading English."""

    def make(role: str) -> Client:
        user = User.objects.create_user(role, password="x", is_staff=True)
        user.groups.set(Group.objects.filter(name=role))
        client = Client(headers={"accept-language": "en"})
        client.force_login(user)
        return client

    return make


@pytest.fixture
def make(champion: ModelVersion, shots: Shots) -> Make:
    """Give ``make(n)``: the recorded prediction of the n-th shot, as the champion answers it."""
    ready = explainers.ready(champion)

    def record(number: int = 0, **fields: Any) -> Prediction:
        row = explainers.row_of(Prediction(features=shots[number]), ready.model)
        probability = round(float(ready.served(row[None])[0]), 6)
        is_defect = probability >= ready.model.threshold
        values = {
            "version_id": champion.pk,
            "features": json.dumps(shots[number]),
            "probability": probability,
            "predicted_class": "defect" if is_defect else "ok",
        }
        made = make_record(**values | fields)
        records.insert([made])
        return Prediction.objects.get(pk=UUID(bytes=made.id))

    return record


def wrong(prediction: Prediction, **said: Any) -> Outcome:
    """Report the other class than the one predicted."""
    label = "ok" if prediction.predicted_class == "defect" else "defect"
    item = {"prediction_id": str(prediction.pk), "label": label, **said}
    return feedback.record([item], reported_by="key:1").outcomes[0]


def page_of(prediction: Prediction, name: str = "change") -> str:
    return reverse(f"admin:predictions_prediction_{name}", args=[prediction.pk])


# --- One prediction -----------------------------------------------------------------------------
def test_the_page_says_why_what_is_similar_and_what_to_change(
    make: Make, signed_in: Callable[[str], Client]
) -> None:
    made = (make(number) for number in range(40))
    prediction = next(one for one in made if one.predicted_class == "defect")
    feedback.record(
        [{"prediction_id": str(prediction.pk), "label": "defect"}], reported_by="key:77"
    )

    text = signed_in("operator").get(page_of(prediction)).text

    assert text.count('class="step"') == 2 * 11
    assert "were defective" in text
    assert "With these settings the model would say" in text
    assert "key:77" in text
    assert 'name="label"' in text
    assert "waterfall.png" in text
    assert Explanation.objects.filter(pk=prediction.pk).exists()


def test_a_version_without_an_explainer_shows_why_not(
    make_version: Callable[..., ModelVersion], shots: Shots, signed_in: Callable[[str], Client]
) -> None:
    old = make_version(explainer=b"")
    made = make_record(version_id=old.pk, features=json.dumps(shots[0]))
    records.insert([made])
    prediction = Prediction.objects.get(pk=UUID(bytes=made.id))

    answer = signed_in("viewer").get(page_of(prediction))

    assert answer.status_code == 200
    assert "Train a new version" in answer.text
    assert 'name="label"' not in answer.text


def test_an_operator_reports_on_the_page(make: Make, signed_in: Callable[[str], Client]) -> None:
    prediction, client = make(), signed_in("operator")

    answer = client.post(
        page_of(prediction, "outcome"),
        {"label": "defect", "observed_at": "2026-03-10T13:00:00", "is_inspected": "on"},
    )

    assert answer.status_code == 302
    row = prediction.outcomes.get()
    assert (row.label, row.is_inspected, row.is_current) == ("defect", True, True)
    assert row.reported_by == f"user:{User.objects.get(username='operator').pk}"
    assert "operator" in client.get(page_of(prediction)).text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "This field is required"),
        ({"label": "fine"}, "fine is not one of the available choices"),
        ({"label": "ok", "observed_at": "yesterday"}, "Enter a valid date/time"),
    ],
)
def test_a_report_that_cannot_be_understood_is_shown_again(
    make: Make, signed_in: Callable[[str], Client], given: dict[str, str], said: str
) -> None:
    prediction = make()

    answer = signed_in("operator").post(page_of(prediction, "outcome"), given)

    assert answer.status_code == 422
    assert said in answer.text
    assert not Outcome.objects.exists()


def test_a_report_of_the_future_is_refused_with_a_message(
    make: Make, signed_in: Callable[[str], Client]
) -> None:
    later = (clock.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S")

    answer = signed_in("operator").post(
        page_of(make(), "outcome"), {"label": "ok", "observed_at": later}, follow=True
    )

    assert "still to come" in answer.text
    assert not Outcome.objects.exists()


def test_a_viewer_may_not_report(make: Make, signed_in: Callable[[str], Client]) -> None:
    answer = signed_in("viewer").post(page_of(make(), "outcome"), {"label": "ok"})

    assert answer.status_code == 403
    assert not Outcome.objects.exists()


# --- Lists --------------------------------------------------------------------------------------
def test_outcomes_are_found_by_prediction_or_line(
    make: Make, signed_in: Callable[[str], Client]
) -> None:
    first, second = make(0), make(1)
    for one in (first, second):
        wrong(one)
    feedback.record(
        [{"line": "Line 2", "shot": 4, "time": "2026-03-10T13:00:00Z", "label": "ok"}],
        reported_by="key:1",
    )
    address, client = reverse("admin:predictions_outcome_changelist"), signed_in("viewer")

    by_id = client.get(address, {"q": str(first.pk)}).text
    by_line = client.get(address, {"q": "Line 2"}).text
    waiting = client.get(address, {"prediction_found": "no"}).text

    assert str(first.pk) in by_id
    assert str(second.pk) not in by_id
    assert "Line 2 #4" in by_line
    assert "Line 2 #4" in waiting
    assert str(first.pk) not in waiting


def test_rows_are_evidence_and_have_pages(make: Make, signed_in: Callable[[str], Client]) -> None:
    prediction, client = make(), signed_in("viewer")
    outcome = wrong(prediction)
    client.get(page_of(prediction))

    shown = client.get(reverse("admin:predictions_outcome_change", args=[outcome.pk]))
    why = client.get(reverse("admin:predictions_explanation_change", args=[prediction.pk]))
    listed = client.get(
        reverse("admin:predictions_explanation_changelist"), {"q": str(prediction.pk)}
    )

    assert str(prediction.pk) in shown.text
    assert "otherwise than predicted" in shown.text
    assert 'class="step"' in why.text
    assert str(prediction.pk) in listed.text
    for name in ("outcome", "explanation"):
        assert client.get(reverse(f"admin:predictions_{name}_add")).status_code == 403


# --- The queue ----------------------------------------------------------------------------------
QUEUE = "admin:predictions_outcome_queue"


def test_the_queue_shows_the_surest_error_first(
    make: Make, signed_in: Callable[[str], Client]
) -> None:
    outcomes = [wrong(make(number)) for number in range(4)]
    surest = max(outcomes, key=lambda row: row.surprise)

    text = signed_in("operator").get(reverse(QUEUE)).text

    assert f'name="outcome" value="{surest.pk}"' in text
    assert "4 open" in text
    assert all(f'data-key="{key}"' in text for key in "dos")


@pytest.mark.parametrize("found", ["defect", "ok"])
def test_what_an_inspector_finds_takes_it_off_the_queue(
    make: Make, signed_in: Callable[[str], Client], found: str
) -> None:
    prediction, client = make(), signed_in("operator")
    outcome = wrong(prediction)

    answer = client.post(reverse(QUEUE), {"outcome": outcome.pk, "found": found}, follow=True)

    current = prediction.outcomes.get(is_current=True)
    assert (current.label, current.is_inspected) == (found, True)
    assert "Nothing disagrees" in answer.text


def test_skipping_goes_through_the_whole_queue_and_stores_nothing(
    make: Make, signed_in: Callable[[str], Client]
) -> None:
    wanted = {wrong(make(number)).pk for number in range(3)}
    client, seen, address = signed_in("operator"), [], reverse(QUEUE)
    for _turn in wanted:
        shown = client.get(address).context["outcome"]
        seen.append(shown.pk)
        skipped = client.post(reverse(QUEUE), {"outcome": shown.pk, "found": "skip"})
        address = skipped.headers["Location"]

    assert set(seen) == wanted
    assert "This is the end of the queue" in client.get(address).text
    assert not Outcome.objects.filter(is_inspected=True).exists()


def test_of_two_inspectors_the_second_is_told(
    make: Make, signed_in: Callable[[str], Client]
) -> None:
    outcome, client = wrong(make()), signed_in("operator")
    said = {"outcome": outcome.pk, "found": "ok"}
    client.post(reverse(QUEUE), said)

    again = client.post(reverse(QUEUE), said, follow=True)

    assert "somebody inspected it" in again.text
    assert Outcome.objects.filter(is_inspected=True).count() == 1


@pytest.mark.parametrize(
    "given", [{}, {"outcome": "x", "found": "ok"}, {"outcome": "9" * 30, "found": "ok"}]
)
def test_a_senseless_decision_changes_nothing(
    make: Make, signed_in: Callable[[str], Client], given: dict[str, str]
) -> None:
    wrong(make())

    assert signed_in("operator").post(reverse(QUEUE), given).status_code == 302
    assert not Outcome.objects.filter(is_inspected=True).exists()


def test_a_finding_that_is_no_label_is_refused(
    make: Make, signed_in: Callable[[str], Client]
) -> None:
    said = {"outcome": wrong(make()).pk, "found": "hmm"}

    answer = signed_in("operator").post(reverse(QUEUE), said, follow=True)

    assert "say “defect” or “ok”" in answer.text
    assert not Outcome.objects.filter(is_inspected=True).exists()


def test_a_viewer_looks_at_the_queue_and_decides_nothing(
    make: Make, signed_in: Callable[[str], Client]
) -> None:
    outcome, client = wrong(make()), signed_in("viewer")

    assert 'name="found"' not in client.get(reverse(QUEUE)).text
    said = {"outcome": outcome.pk, "found": "ok"}
    assert client.post(reverse(QUEUE), said).status_code == 403


def test_somebody_without_a_role_sees_none_of_it(signed_in: Callable[[str], Client]) -> None:
    client = signed_in("nobody")

    for name in ("queue", "live", "upload", "changelist"):
        assert client.get(reverse(f"admin:predictions_outcome_{name}")).status_code == 403


# --- Live quality -------------------------------------------------------------------------------
LIVE = "admin:predictions_outcome_live"


def test_live_quality_stands_beside_what_was_promised(
    make: Make, champion: ModelVersion, signed_in: Callable[[str], Client]
) -> None:
    at = (clock.now() - timedelta(days=3)).timestamp()
    made = [make(number, at=at + number) for number in range(30)]
    items = [
        {"prediction_id": str(one.pk), "label": "defect" if number % 3 else "ok"}
        for number, one in enumerate(made)
    ]
    feedback.record(items, reported_by="key:1")

    text = signed_in("viewer").get(reverse(LIVE)).text

    assert str(champion) in text
    assert "in production, beside what its evaluation promised" in text
    assert "Day by day" in text


@pytest.mark.parametrize("query", ["?days=0", "?days=x", "?version=99999", "?version=%00"])
def test_a_senseless_span_or_version_is_refused_on_the_page(
    champion: ModelVersion, signed_in: Callable[[str], Client], query: str
) -> None:
    answer = signed_in("viewer").get(reverse(LIVE) + query)

    assert answer.status_code == 200
    assert 'role="alert"' in answer.text


def test_without_a_live_version_the_page_says_what_to_do(
    signed_in: Callable[[str], Client],
) -> None:
    assert "Promote a version" in signed_in("viewer").get(reverse(LIVE)).text


# --- Files --------------------------------------------------------------------------------------
UPLOAD = "admin:predictions_outcome_upload"


def upload(client: Client, content: str, name: str = "march.csv") -> Any:
    file = SimpleUploadedFile(name, content.encode())
    return client.post(reverse(UPLOAD), {"file": file})


def worked(ctx: RunContext) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Do the work of an upload as a worker would; return its result and its report."""
    result = kinds.get(tasks.IMPORT_OUTCOMES).work(ctx)
    kept = RunArtifact.objects.get(run=ctx.run_id, name="report.csv").artifact_id
    text = artifacts.read(kept).decode("utf-8-sig")
    return result, list(csv.DictReader(io.StringIO(text)))


def test_a_file_is_read_by_a_run_that_reports_on_every_row(
    make: Make, signed_in: Callable[[str], Client]
) -> None:
    known, other = make(0), make(1)
    feedback.record([{"prediction_id": str(other.pk), "label": "ok"}], reported_by="key:1")
    old = Outcome.objects.get()
    rows = [
        "prediction_id,line,shot,time,label,observed_at",
        f"{known.pk},,,,defect,2026-03-10T13:00:00Z",
        f"{other.pk},,,,ok,{old.observed_at.isoformat()}",
        ",Line 2,7,2026-03-10T13:00:00Z,ok,",
        f"{known.pk},,,,broken\x00,",
        ",Line\x002,7,2026-03-10T13:00:00Z,ok,",
    ]

    answer = upload(signed_in("operator"), "\n".join(rows))
    claimed = leases.claim(Run.objects.get(kind=tasks.IMPORT_OUTCOMES).pk, worker="tests:1")
    assert claimed is not None
    ctx = RunContext(claimed, Keeper(claimed))
    result, report = worked(ctx)

    assert answer.url == reverse("admin:runs_run_change", args=[claimed.pk])
    assert [line["row"] for line in report] == ["2", "3", "4", "5", "6"]
    results = ["recorded", "unchanged", "waiting", "refused", "refused"]
    assert [line["result"] for line in report] == results
    assert [line["field"] for line in report[3:]] == ["label", "line"]
    assert result["problems"][0] == f"Row 5, label: {report[3]['message']}"
    assert worked(ctx) == (result, report)  # as after a worker's death
    assert Outcome.objects.count() == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "The header must name"),
        ("colour\nred\n", "The header must name"),
        ("label,prediction_id\n", "holds no row"),
    ],
)
def test_a_file_that_is_none_starts_nothing(
    signed_in: Callable[[str], Client], content: str, said: str
) -> None:
    answer = upload(signed_in("operator"), content)

    assert answer.status_code in {200, 422}
    assert said in answer.text or "empty" in answer.text
    assert not Run.objects.filter(kind=tasks.IMPORT_OUTCOMES).exists()


def test_a_viewer_may_not_send_a_file(signed_in: Callable[[str], Client]) -> None:
    assert upload(signed_in("viewer"), "label\nok\n").status_code == 403

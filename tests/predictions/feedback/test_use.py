"""What is made of outcomes: the queue of errors, live quality, the next data set."""

import io
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client

from portal.lib import clock
from portal.registry.models import ModelVersion
from portal.runs.models import Run, State
from predictions import dispatch, selectors
from predictions.models import Dataset, Prediction
from predictions.services import datasets
from predictions.services.reports import from_csv
from tests.predictions.feedback.reporting import (
    LABELLED,
    LIVE,
    NOW,
    QUEUE,
    Key,
    Predict,
    Shots,
    post,
    record,
    report,
)
from tests.predictions.test_training import ACTOR, finished
from tests.worker import Worker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]


def test_the_queue_shows_the_surest_errors_first_until_they_are_inspected(
    client: Client, predict: Predict, make_key: Key
) -> None:
    sure, unsure, right = predict(0.95), predict(0.6), predict(0.9)
    record(report(sure, "ok"), report(unsure, "ok"), report(right, "defect"))
    headers = make_key("read")

    queue = client.get(QUEUE, headers=headers).json()["results"]
    record(report(sure, "ok", hours=3, inspected=True))
    after = client.get(QUEUE, headers=headers).json()["results"]

    assert [UUID(row["prediction_id"]) for row in queue] == [sure, unsure]
    assert [UUID(row["prediction_id"]) for row in after] == [unsure]


@pytest.fixture
def produced(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> ModelVersion:
    """Give a version with four days of shots, every second reported six hours later."""
    labels = ["defect", "ok", "ok", "ok"]
    for hour in range(96):
        at = NOW - timedelta(hours=96 - hour)
        prediction = predict(0.9 if hour % 4 == 0 else 0.1, at=at)
        if hour % 2 == 0 and hour < 90:
            monkeypatch.setattr(clock, "now", lambda at=at: at + timedelta(hours=6))
            label = "ok" if hour == 40 else labels[hour % 4]
            record({"prediction_id": str(prediction), "label": label})
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return ModelVersion.objects.get()


def test_live_quality_judges_what_is_old_enough(produced: ModelVersion) -> None:
    live = selectors.live_quality(produced, now=NOW)

    assert live.delay_s == pytest.approx({"median": 21_600, "p90": 21_600})
    assert live.until == NOW - timedelta(hours=6)
    assert (live.n_predictions, live.n_labelled, live.n_maturing) == (90, 45, 6)
    assert live.coverage == pytest.approx(0.5)
    assert live.confusion == {
        "hits": 22,
        "misses": 0,
        "false_alarms": 1,
        "correct_rejections": 22,
    }
    figure = live.metrics["precision"]
    assert figure.value == pytest.approx(22 / 23)
    assert figure.low is not None
    assert figure.low < 1
    assert sum(window.n_labelled for window in live.windows) == 45
    assert sum(window.n_predictions for window in live.windows) == 90


def test_shots_of_a_few_hours_have_figures_and_no_interval(predict: Predict) -> None:
    at = NOW - timedelta(days=2)
    for n in range(12):
        identifier = predict(0.9 if n % 2 else 0.1, at=at + timedelta(minutes=n))
        record(report(identifier, "defect" if n % 3 else "ok"))

    figure = selectors.live_quality(ModelVersion.objects.get(), now=NOW).metrics["f1"]

    assert figure.value is not None
    assert (figure.low, figure.high) == (None, None)


def test_without_outcomes_there_is_no_figure(predict: Predict) -> None:
    predict()
    live = selectors.live_quality(ModelVersion.objects.get(), now=NOW + timedelta(days=2))

    assert (live.n_predictions, live.n_labelled, live.metrics) == (1, 0, {})
    assert live.delay_s is None
    assert live.maturity_s == 86_400


def test_live_quality_over_http(client: Client, produced: ModelVersion, make_key: Key) -> None:
    headers = make_key("read")

    body = client.get(f"{LIVE}?model_version={produced.number}", headers=headers).json()

    assert body["version"] == produced.number
    assert body["metrics"]["f1"]["value"] == pytest.approx(44 / 45)
    assert client.get(LIVE, headers=headers).status_code == 404
    assert client.get(f"{LIVE}?versoin=1", headers=headers).status_code == 422
    assert client.get(f"{LIVE}?since=monday", headers=headers).status_code == 422
    year_one = f"{LIVE}?until=0001-01-01T00:00:00Z"
    assert client.get(year_one, headers=headers).status_code == 422


# --- The next data set --------------------------------------------------------------------------
@pytest.fixture
def labelled(predict: Predict, shots: Shots) -> list[UUID]:
    made = []
    for number, shot in enumerate(shots[:40]):
        identifier = predict(at=NOW - timedelta(minutes=40 - number))
        Prediction.objects.filter(pk=identifier).update(features=shot)
        made.append(identifier)
    record(*(report(one, "defect" if n % 5 == 0 else "ok") for n, one in enumerate(made)))
    return made


def test_known_outcomes_become_a_data_set_that_says_where_it_is_from(
    celery_worker: Callable[..., Worker],
    labelled: list[UUID],
    shots: Shots,
    client: Client,
    make_key: Key,
) -> None:
    celery_worker("interactive")
    record(report(labelled[0], "ok", hours=2))

    answer = post(client, LABELLED, {"name": "From the line"}, make_key("train"))

    assert answer.status_code == 202
    run = finished(Run.objects.get(pk=answer.json()["id"]))
    assert (run.state, run.error_message) == (State.SUCCEEDED, "")
    dataset = Dataset.objects.get(pk=run.result["dataset"])
    table = datasets.load(dataset)
    labels = table.labels()
    assert labels is not None
    assert labels.tolist() == [n % 5 == 0 and n > 0 for n in range(40)]
    assert table.matrix()[7].tolist() == pytest.approx([*shots[7].values()], rel=1e-6)
    assert table.metadata("id") == [str(one) for one in labelled]
    assert dataset.lineage["run"] == str(run.pk)
    assert dataset.lineage["n_outcomes"] == 40
    assert dataset.created_by is not None

    base = finished(dispatch.collect_labelled(name="Both", actor=ACTOR, base=dataset, max_rows=50))
    assert base.state == State.SUCCEEDED, base.error_message
    both = Dataset.objects.get(pk=base.result["dataset"])
    assert (both.n_rows, both.lineage["n_base"], both.lineage["base"]) == (50, 10, dataset.pk)


def test_without_outcomes_no_data_set_is_made(
    celery_worker: Callable[..., Worker], predict: Predict
) -> None:
    celery_worker("interactive")

    run = finished(dispatch.collect_labelled(name="Nothing", actor=ACTOR))

    assert run.state == State.FAILED
    assert "diecasting-quality" in run.error_message
    assert not Dataset.objects.exists()


def test_a_wide_file_is_read_row_by_row() -> None:
    source = io.BytesIO(b"label,line\n" + b"ok,a\n" * 5)

    assert len(list(from_csv(source, most=5))) == 5
    with pytest.raises(Exception, match="more than 4 rows"):
        list(from_csv(source, most=4))

"""What became of shots: late, corrected, twice, by place, from files; what is made of it."""

import io
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from portal.core.models import ApiKey, User
from portal.lib import clock
from portal.registry.models import ModelVersion
from portal.runs.models import Run, State
from predictions import dispatch, selectors
from predictions.engine.features import FEATURE_NAMES
from predictions.models import Dataset, Outcome, Prediction
from predictions.services import datasets, feedback, recording, records
from predictions.services.reports import from_csv
from tests.predictions.records import make_record
from tests.predictions.test_training import ACTOR, finished
from tests.worker import Worker

MANY = "/api/v1/outcomes/"
QUEUE = "/api/v1/outcomes/disagreements/"
LIVE = "/api/v1/predictions/live-quality/"
LABELLED = "/api/v1/datasets/labelled/"
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

Key = Callable[..., dict[str, str]]
Predict = Callable[..., UUID]
Shots = list[dict[str, float | None]]


@pytest.fixture
def predict(make_version: Callable[..., ModelVersion]) -> Predict:
    """Give ``predict(probability=…, at=…)``: records a prediction and returns its id."""
    version = make_version()

    def record(
        probability: float = 0.3, at: datetime = NOW, shot: int = 1, principal: str = "key:1"
    ) -> UUID:
        features = dict.fromkeys(FEATURE_NAMES, 1.0) | {"Shot": float(shot)}
        made = make_record(
            version_id=version.pk,
            at=at.timestamp(),
            probability=probability,
            predicted_class="defect" if probability >= 0.5 else "ok",
            features=json.dumps(features),
            principal=principal,
        )
        records.insert([made])
        return UUID(bytes=made.id)

    return record


def report(prediction: UUID, label: str = "ok", hours: float = 1, **more: Any) -> dict[str, Any]:
    observed = (NOW + timedelta(hours=hours)).isoformat()
    return {"prediction_id": str(prediction), "label": label, "observed_at": observed, **more}


def record(*items: dict[str, Any]) -> feedback.Recorded:
    return feedback.record(items, reported_by="key:1")


def current(prediction: UUID) -> Outcome:
    return Outcome.objects.current().get(prediction_id=prediction)


def post(client: Client, path: str, body: Any, headers: dict[str, str]) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


# --- One prediction -----------------------------------------------------------------------------
def test_an_outcome_is_compared_with_what_was_predicted(predict: Predict) -> None:
    right, wrong = predict(0.8), predict(0.2)

    record(report(right, "defect"), report(wrong, "defect"))

    assert (current(right).agrees, current(wrong).agrees) == (True, False)
    assert current(right).surprise == pytest.approx(0.2)
    assert current(wrong).surprise == pytest.approx(0.8)


def test_the_same_report_again_changes_nothing(predict: Predict) -> None:
    prediction = predict()

    first, again = record(report(prediction)), record(report(prediction))

    assert (first.n_recorded, again.n_recorded, again.n_unchanged) == (1, 0, 1)
    assert again.outcomes[0].pk == first.outcomes[0].pk
    assert Outcome.objects.count() == 1


def test_a_correction_counts_and_what_was_said_stays(predict: Predict) -> None:
    prediction = predict()

    record(report(prediction, "ok", hours=1))
    record(report(prediction, "defect", hours=2))

    assert current(prediction).label == "defect"
    assert Outcome.objects.filter(prediction_id=prediction).count() == 2


def test_an_older_observation_that_comes_late_is_kept_but_does_not_count(predict: Predict) -> None:
    prediction = predict()

    record(report(prediction, "defect", hours=5))
    late = record(report(prediction, "ok", hours=2))

    assert late.n_recorded == 1
    assert late.outcomes[0].is_current is False
    assert current(prediction).label == "defect"


def test_what_a_person_inspected_outweighs_later_reports(predict: Predict) -> None:
    prediction = predict()

    record(report(prediction, "ok", hours=1, inspected=True))
    record(report(prediction, "defect", hours=9))

    assert (current(prediction).label, current(prediction).is_inspected) == ("ok", True)


def test_contradicting_reports_in_one_body_end_with_one_current(predict: Predict) -> None:
    prediction = predict()

    said = record(
        report(prediction, "ok", 1), report(prediction, "defect", 3), report(prediction, "ok", 2)
    )

    assert said.n_recorded == 3
    assert [said.outcomes[n].is_current for n in range(3)] == [False, True, False]
    assert current(prediction).label == "defect"


@pytest.mark.django_db(transaction=True)
def test_reports_at_the_same_time_leave_one_row_and_one_current(predict: Predict) -> None:
    prediction = predict()

    def work(label: str) -> None:
        try:
            record(report(prediction, label))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[label]) for label in ["ok", "defect"] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Outcome.objects.count() == 2
    assert Outcome.objects.current().count() == 1


def test_a_prediction_still_in_the_stream_can_be_reported_on(
    make_version: Callable[..., ModelVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_redis_paused_until", 0.0)
    made = make_record(version_id=make_version().pk)
    recording.record([made])
    assert not Prediction.objects.exists()

    said = record(report(UUID(bytes=made.id), "ok"))

    assert (said.n_recorded, said.refusals) == (1, [])


# --- What is refused ----------------------------------------------------------------------------
BAD = [
    ({"label": "maybe"}, "label"),
    ({"label": None}, "label"),
    ({"observed_at": "yesterday"}, "observed_at"),
    ({"observed_at": "2026-03-10T12:00:00"}, "observed_at"),
    ({"observed_at": "2999-01-01T00:00:00Z"}, "observed_at"),
    ({"observed_at": "0001-01-01T00:00:00+09:00"}, "observed_at"),
    ({"observed_at": 5}, "observed_at"),
    ({"prediction_id": "x"}, "prediction_id"),
    ({"prediction_id": 7}, "prediction_id"),
    ({"prediction_id": None}, "line"),
    ({"line": "line 4"}, "prediction_id"),
    ({"inspected": "perhaps"}, "inspected"),
    ({"labell": "ok"}, "labell"),
]


@pytest.mark.parametrize(("change", "field"), BAD)
def test_a_report_that_makes_no_sense_is_named_and_the_others_are_kept(
    predict: Predict, change: dict[str, Any], field: str
) -> None:
    prediction, other = predict(), predict()

    said = record(report(prediction) | change, report(other, "defect"))

    assert [(one.index, one.field) for one in said.refusals] == [(0, field)]
    assert said.n_recorded == 1
    assert current(other).label == "defect"


@pytest.mark.parametrize("shot", [-1, 1.5, "x", True, None, 1e300, float("inf")])
def test_a_shot_that_is_no_counter_is_refused(db: None, shot: Any) -> None:
    said = record({"line": "line 4", "shot": shot, "time": NOW.isoformat(), "label": "ok"})

    assert [one.field for one in said.refusals] == ["shot"]


def test_an_unknown_prediction_is_listed(db: None) -> None:
    said = record(report(uuid4()))

    assert [one.code for one in said.refusals] == ["not_found"]


# --- By line, shot and time ---------------------------------------------------------------------
@pytest.fixture
def line(db: None) -> str:
    """Give a line's principal; its key is called line 4."""
    user = User.objects.create(username="plc")
    key = ApiKey.objects.create(name="line 4", user=user, prefix="mw_1", digest="1" * 64)
    return f"key:{key.pk}"


def placed(shot: int, seconds: float = 0, label: str = "defect") -> dict[str, Any]:
    moment = NOW + timedelta(seconds=seconds)
    return {"line": "line 4", "shot": shot, "time": moment.isoformat(), "label": label}


def test_a_shot_is_found_by_line_counter_and_time(predict: Predict, line: str) -> None:
    wanted = predict(shot=17, principal=line)
    predict(shot=18, principal=line)
    predict(shot=17, principal="key:999")
    predict(shot=17, principal=line, at=NOW - timedelta(hours=8))

    said = record(placed(17, seconds=40))

    assert said.n_recorded == 1
    assert current(wanted).shot == 17


def test_of_several_the_nearest_in_time_is_meant(predict: Predict, line: str) -> None:
    predict(shot=17, principal=line, at=NOW - timedelta(seconds=90))
    wanted = predict(shot=17, principal=line, at=NOW + timedelta(seconds=10))

    record(placed(17))

    assert Outcome.objects.get().prediction_id == wanted


def test_an_outcome_that_comes_before_its_prediction_waits_for_it(
    predict: Predict, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(hours=1))
    first, again = record(placed(17)), record(placed(17) | {"observed_at": None})
    assert (first.n_waiting, again.n_waiting) == (1, 0)
    assert feedback.join_waiting() == 0

    wanted = predict(probability=0.1, shot=17, principal=line)

    assert feedback.join_waiting() == 1
    assert (current(wanted).label, current(wanted).agrees) == ("defect", False)
    assert not Outcome.objects.waiting().exists()


def test_a_waiting_outcome_that_was_reported_by_id_meanwhile_is_one(
    predict: Predict, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(hours=2))
    observed = {"observed_at": (NOW + timedelta(hours=1)).isoformat()}
    record(placed(17) | observed)
    wanted = predict(shot=17, principal=line)
    record(report(wanted, "defect", hours=1))

    feedback.join_waiting()

    assert Outcome.objects.get().prediction_id == wanted


# --- HTTP ---------------------------------------------------------------------------------------
def test_one_outcome_over_http(client: Client, predict: Predict, make_key: Key) -> None:
    prediction, headers = predict(0.9), make_key("predict")
    address = f"/api/v1/predictions/{prediction}/outcome/"
    body = {"label": "ok", "observed_at": "2026-03-10T13:00:00+00:00"}

    first, again = (post(client, address, body, headers) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["predicted"] == "defect"
    assert first.json()["agrees"] is False
    assert first.json()["is_current"] is True
    assert post(client, address, {"label": "ok"}, headers).status_code == 200
    assert post(client, address, {"label": "bad"}, headers).status_code == 422
    assert post(client, address, [], headers).status_code == 422
    missing = f"/api/v1/predictions/{uuid4()}/outcome/"
    assert post(client, missing, {"label": "ok"}, headers).status_code == 404


def test_many_outcomes_list_what_was_refused(
    client: Client, predict: Predict, make_key: Key
) -> None:
    good, headers = predict(), make_key("predict", "read")
    items = [report(good), report(uuid4()), {"label": "ok"}, report(good)]

    body = post(client, MANY, {"outcomes": items}, headers).json()

    assert (body["recorded"], body["unchanged"], body["waiting"]) == (1, 1, 0)
    assert [(one["index"], one["code"]) for one in body["errors"]] == [
        (1, "not_found"),
        (2, "missing"),
    ]
    listed = client.get(f"{MANY}?prediction={good}", headers=headers).json()["results"]
    assert [row["label"] for row in listed] == ["ok"]


@pytest.mark.parametrize(
    "body", [{}, [], {"outcomes": {}}, {"outcomes": []}, {"outcomes": [1] * 10_001}]
)
def test_a_body_without_outcomes_is_refused(client: Client, make_key: Key, body: Any) -> None:
    assert post(client, MANY, body, make_key("predict")).status_code == 422


def upload(client: Client, content: bytes, headers: dict[str, str]) -> Any:
    return client.post(MANY, {"file": SimpleUploadedFile("o.csv", content)}, headers=headers)


def test_outcomes_come_in_files_too(
    client: Client, predict: Predict, line: str, make_key: Key
) -> None:
    one, other = predict(), predict(shot=17, principal=line)
    rows = [
        "prediction_id,line,shot,time,label,observed_at",
        f"{one},,,,defect,2026-03-10T13:00:00Z",
        f',line 4,17,{NOW.isoformat()},ok,"2026-03-10T13:00:00Z"',
        ",line 4,,,ok,",
    ]

    body = upload(client, "\ufeff".encode() + "\r\n".join(rows).encode(), make_key("predict"))

    assert body.json()["recorded"] == 2
    assert [error["index"] for error in body.json()["errors"]] == [2]
    assert (current(one).label, current(other).label) == ("defect", "ok")


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"label,x\n", b"label\n\xff\xfe", b'label\n"unclosed']
)
def test_a_file_that_is_no_list_of_outcomes_is_refused(
    client: Client, make_key: Key, content: bytes
) -> None:
    answer = upload(client, content, make_key("predict"))

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["file"]
    assert not Outcome.objects.exists()


def test_who_may_report_and_who_may_look(client: Client, predict: Predict, make_key: Key) -> None:
    body = {"outcomes": [report(predict())]}

    assert post(client, MANY, body, make_key("read")).status_code == 403
    assert client.get(MANY, headers=make_key("predict")).status_code == 403
    assert client.get(MANY, headers=make_key("read")).status_code == 200
    assert post(client, MANY, body, {}).status_code == 401


# --- What is made of it -------------------------------------------------------------------------
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

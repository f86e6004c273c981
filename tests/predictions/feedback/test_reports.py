"""What became of shots: late, corrected, twice, by place; what is refused."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from portal.lib import clock
from portal.registry.models import ModelVersion
from predictions.models import Outcome, Prediction
from predictions.services import feedback, recording
from tests.predictions.feedback.reporting import NOW, Predict, current, record, report
from tests.predictions.records import make_record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]


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

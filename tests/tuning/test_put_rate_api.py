"""The put-rate model over HTTP: what it answers, and what it refuses by name."""

import pytest
from django.test import Client

from tests.tuning.people import caller
from tests.tuning.put_trials import a_study, trials
from tests.tuning.test_put_rate import fitted
from tuning.services import put_rates

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

ROOT = "/api/v1/tuning-targets/rocksdb/put-rate/"


@pytest.fixture
def model() -> None:
    """Fit the model on trials under one workload."""
    trials(a_study(), put_rates.LEAST_TRIALS)
    fitted()


@pytest.mark.usefixtures("model")
def test_options_nobody_measured_are_answered_with_interval_and_form() -> None:
    words = "?workload=held-disk-synced&write_buffer_size=4&compression=lz4"
    found = caller("viewer", "read").get(ROOT + words).json()
    answering = put_rates.active(put_rates.forms())
    assert answering is not None
    assert (found["form"], found["version"]) == (answering.name, 1)
    assert 0 < found["low"] < found["rate"] < found["high"]
    assert found["coverage"] == 0.8
    assert found["configuration"]["write_buffer_size"] == 4
    assert found["median_error"] == answering.evaluation["median_ape"]


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("?write_buffer_size=huge", 422, "huge"),
        ("?write_buffer_size=-1", 422, "write_buffer_size"),
        ("?write_buffer_size=nan", 422, "write_buffer_size"),
        ("?compression=rar", 422, "rar"),
        ("?color=red", 422, "color"),
        ("?workload=sonar", 422, "sonar"),
        ("?workload=mixed", 422, "puts alone"),
        ("?workload=put-heavy", 409, "run a study first"),
    ],
)
def test_what_cannot_be_answered_is_named(words: str, status: int, said: str) -> None:
    answer = caller("viewer", "read").get(ROOT + words)
    assert answer.status_code == status, answer.content
    assert said in answer.content.decode()


def test_without_a_fit_nothing_answers_and_without_a_key_nobody_asks() -> None:
    answer = caller("viewer", "read").get(ROOT)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_put_rate_model")
    assert Client().get(ROOT).status_code == 401

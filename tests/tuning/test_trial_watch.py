"""The trial in hand, second by second: kept, shown with its study, given as a document."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.core.actors import Actor
from portal.lib import clock
from portal.runs import leases
from tests.tuning.people import caller, person
from tuning import dispatch
from tuning.engine.contract import preset
from tuning.engine.rocksdb.target import RocksDB
from tuning.models import InstanceSample, Study, Trial
from tuning.services import trial_watch

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]


@pytest.fixture
def study() -> Study:
    """Give a study of RocksDB that a worker is at, without a trial yet."""
    made = dispatch.start(target="rocksdb", workload="held-disk", actor=Actor.system("test"))
    made.refresh_from_db()
    assert leases.claim(made.run_id, worker="tests:1") is not None  # type: ignore[arg-type]
    return Study.objects.get(pk=made.pk)


def trial_of(study: Study, number: int = 0, **fields: Any) -> Trial:
    began = clock.now() - timedelta(seconds=5)
    return Trial.objects.create(
        study=study, number=number, configuration=study.current, started_at=began, **fields
    )


def in_hand(study: Study) -> str:
    client = Client(headers={"accept-language": "en"})
    client.force_login(person("viewer"))
    answer = client.get(reverse("admin:tuning_study_trial", args=[study.pk]))
    assert answer.status_code == 200
    return answer.text


def test_rocksdb_tells_each_second_of_a_trial(tmp_path: Path) -> None:
    heard: list[dict[str, float]] = []
    target = RocksDB()
    load = preset(target, "put-heavy", rate_limit=2_000)
    target.measure(
        {}, load, seconds=3, seed=1, folder=tmp_path, seen=lambda one: heard.append(dict(one))
    )
    assert len(heard) >= 2
    assert heard[-1]["rate"] > 0
    assert min(heard[-1]["write_p99_us"], heard[-1]["write_us"]) > 0
    assert heard[-1]["cpu_cores"] > 0
    assert heard[-1]["memory_bytes"] > 1 << 20
    assert {"stalled_share", "debt_bytes", "compacted_bytes_s", "n_jobs"} <= heard[-1].keys()


def test_a_second_of_a_trial_is_shown_and_given_as_a_document(study: Study) -> None:
    assert "No trial is being measured" in in_hand(study)
    trial = trial_of(study, 3)
    assert "Nothing is seen of it yet" in in_hand(study)
    trial_watch.Watch(study, trial)({"rate": 41_234.0, "stalled_share": 0.5, "cpu_cores": 1.25})
    shown = in_hand(study)
    assert "Trial 3 in hand" in shown
    assert "41,234" in shown
    assert "<svg" in shown
    answer = caller("operator", "read").get(f"/api/v1/studies/{study.pk}/records/realtime/")
    (row,) = answer.json()["samples"]
    assert (row["trial"], row["rate"], row["cpu_cores"]) == (3, 41_234.0, 1.25)
    assert answer.json()["resolution"] == "second"


def test_a_trial_that_waits_does_not_show_what_another_study_measures(study: Study) -> None:
    trial = trial_of(study)
    other = trial_of(study, 1)
    other.configuration = study.current | {"compression": "zstd"}
    trial_watch.Watch(study, other)({"rate": 1_000.0})
    Trial.objects.filter(pk=other.pk).delete()
    assert "Nothing is seen of it yet" in in_hand(study)
    assert trial_watch.in_hand(study) == trial


def test_a_trial_that_waits_does_not_show_another_with_the_same_options(study: Study) -> None:
    waiting = trial_of(study, facts={trial_watch.SPELLS: []})
    trial_watch.Watch(study, waiting)({"rate": 41_234.0})  # as another study's baseline does
    assert "Nothing is seen of it yet" in in_hand(study)

    began = clock.now()
    waiting.started_at = began - timedelta(seconds=60)
    InstanceSample.objects.all().delete()
    instance = trial_watch.instance_of(study)
    assert instance is not None
    for seconds, rate in ((-30, 41_234.0), (0, 7_654.0)):
        at = began + timedelta(seconds=seconds)
        InstanceSample.objects.create(instance=instance, at=at, rate=rate)
    waiting.facts[trial_watch.SPELLS] = [[began.isoformat(), None]]
    waiting.save()
    path = f"/api/v1/studies/{study.pk}/records/realtime/"
    (row,) = caller("operator", "read").get(path).json()["samples"]
    assert (row["trial"], row["rate"]) == (0, 7_654.0)


def test_what_cannot_be_kept_does_not_harm_the_trial(study: Study) -> None:
    watch = trial_watch.Watch(study, trial_of(study))
    watch({"rate": float("nan")})
    assert not InstanceSample.objects.exists()

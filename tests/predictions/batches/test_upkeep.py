"""Predicted files past their time, and the command that waits for one."""

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.csv as pv
import pytest
from django.core.management import CommandError, call_command

from portal.lib import clock
from portal.registry.models import ModelVersion
from portal.runs import artifacts
from portal.runs import services as runs
from portal.runs.models import RunArtifact
from predictions import tasks
from predictions.services import file_runs
from tests.predictions.batches.files import ACTOR, Begin, Shots, csv_of, worked
from tests.worker import Worker

pytestmark = pytest.mark.django_db


# --- Keeping house --------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_what_is_past_its_time_is_removed(
    begin: Begin, shots: Shots, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, stopped = worked(begin(csv_of(shots[:3]))), begin(csv_of(shots[:5]))
    part = artifacts.save(b"a part", file_runs.PARQUET)
    RunArtifact.objects.create(
        run=stopped, artifact=part, name="part-000000000-000000005-0.parquet"
    )
    runs.cancel(run_id=stopped.pk, actor=ACTOR)

    def tidied(days: int) -> set[tuple[Any, str]]:
        moment = clock.now() + timedelta(days=days)
        with monkeypatch.context() as patched:
            patched.setattr(clock, "now", lambda: moment)
            worked(runs.enqueue(kind=tasks.TIDY_BATCHES, actor=ACTOR))
        left = RunArtifact.objects.filter(run__kind=file_runs.KIND)
        return {(row.run_id, row.name.partition("-")[0]) for row in left}

    results = {(done.pk, name) for name in ("input", *file_runs.RESULTS)}
    assert tidied(0) == {*results, (stopped.pk, "input"), (stopped.pk, "part")}
    assert tidied(2) == {*results, (stopped.pk, "input")}
    assert tidied(181) == set()
    assert not artifacts.is_stored(part.pk)


# --- Command line ---------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_the_command_waits_and_writes_the_result(
    champion: ModelVersion, shots: Shots, celery_worker: Callable[..., Worker], tmp_path: Path
) -> None:
    celery_worker("interactive")
    source, target = tmp_path / "shots.csv", tmp_path / "out.csv"
    source.write_bytes(csv_of(shots[:10]))
    said = io.StringIO()

    call_command("predict_file", str(source), output=str(target), stdout=said)

    assert "10 rows" in said.getvalue()
    assert pv.read_csv(target).num_rows == 10
    with pytest.raises(CommandError, match="exists"):
        call_command("predict_file", str(source), output=str(target), stdout=said)


def test_the_command_says_what_is_wrong(
    champion: ModelVersion, tmp_path: Path, shots: Shots
) -> None:
    source = tmp_path / "shots.csv"
    source.write_bytes(csv_of(shots[:10]))

    for path, output, said in (
        (tmp_path / "nowhere.csv", tmp_path / "o.csv", "cannot be read"),
        (source, tmp_path / "o.xlsx", r"\.parquet or \.csv"),
        (source, tmp_path / "no" / "o.csv", "folder"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command("predict_file", str(path), output=str(output), stdout=io.StringIO())

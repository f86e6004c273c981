"""Files predicted in the background: every row once, whatever dies, moves or is full meanwhile."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest
from django.db import transaction

from portal.core.actors import Actor
from portal.core.models import User
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from portal.runs import services as runs
from portal.runs.models import Run, State
from predictions import dispatch
from predictions.engine.features import FEATURE_NAMES
from predictions.models import Prediction
from predictions.services import datasets, file_batches, file_runs
from tests.predictions.batches.files import (
    ACTOR,
    Begin,
    Shots,
    csv_of,
    expected,
    files_up_to,
    result_of,
    table_of,
    worked,
)
from tests.predictions.conftest import SmallModel
from tests.waiting import wait_for
from tests.worker import Worker

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_every_row_comes_out_once_with_what_the_version_says(
    begin: Begin, champion: ModelVersion, shots: Shots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_batches, "PART_ROWS", 50)
    ids = [f"s{number}" for number in range(230)]

    run = worked(begin(csv_of(shots[:230], id=ids)))

    assert (run.state, run.error_message) == (State.SUCCEEDED, "")
    assert {name: run.result[name] for name in ("rows", "ok", "invalid", "version")} == {
        "rows": 230,
        "ok": 230,
        "invalid": 0,
        "version": champion.number,
    }
    table = table_of(run)
    assert table["row"].to_pylist() == list(range(2, 232))
    assert table["id"].to_pylist() == ids
    assert set(table["status"].to_pylist()) == {"ok"}
    np.testing.assert_allclose(
        table["probability"].to_numpy(), expected(champion, shots[:230]), atol=1e-6
    )
    assert set(table["class"].to_pylist()) <= {"defect", "ok"}
    assert table["reason"].null_count == 230
    assert table.schema.metadata[b"version_digest"].decode() == champion.digest
    assert not Prediction.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_bad_row_has_a_reason_and_spoils_no_other(begin: Begin, shots: Shots) -> None:
    lines = csv_of(shots[:6]).decode().splitlines()
    cells = lines[2].split(",")
    cells[2], cells[3] = "fast", "9999"
    lines[2] = ",".join(cells)
    lines[3] = "1,2,3"
    lines[4] = lines[4].replace(lines[4].split(",")[2], "99.5", 1)
    lines += ["", ""]

    run = worked(begin("\n".join(lines).encode()))

    table = table_of(run).to_pylist()
    assert [row["status"] for row in table] == ["ok", "invalid", "invalid", "invalid", "ok", "ok"]
    assert [row["row"] for row in table] == [2, 3, 4, 5, 6, 7]
    assert "'fast'" in table[1]["reason"]
    assert "3 cells" in table[2]["reason"]
    assert table[1]["class"] is table[1]["probability"] is table[1]["confidence"] is None
    assert (run.result["ok"], run.result["invalid"], run.result["blank_lines"]) == (3, 3, 1)


@pytest.mark.django_db(transaction=True)
def test_texts_that_a_spreadsheet_would_compute_are_made_harmless_in_csv(
    begin: Begin, shots: Shots
) -> None:
    ids = ["=1+1", "@SUM(A1)", "-5", "+cmd", "plain"]

    run = worked(begin(csv_of(shots[:5], id=ids)))

    text = result_of(run, "predictions.csv").decode("utf-8-sig")
    table = pv.read_csv(io.BytesIO(text.encode()))
    assert table["id"].to_pylist() == ["'=1+1", "'@SUM(A1)", "-5", "'+cmd", "plain"]
    assert table_of(run)["id"].to_pylist() == ids


@pytest.mark.django_db(transaction=True)
def test_a_data_set_is_predicted_by_the_version_asked_for(
    champion: ModelVersion,
    make_version: Callable[..., ModelVersion],
    small_model: SmallModel,
    tmp_path: Path,
) -> None:
    other = make_version()
    path = tmp_path / "shots.parquet"
    pq.write_table(small_model.unseen.data, path)
    dataset = datasets.import_dataset(source=path, name="Line 3", actor=ACTOR)

    run = worked(dispatch.predict_file(source=dataset, version=other.number, actor=ACTOR))

    assert run.error_message == ""
    assert run.result["rows"] == dataset.n_rows
    assert (run.result["version"], run.result["dataset"]) == (other.number, dataset.pk)
    assert run.dataset_fingerprint == dataset.fingerprint
    assert set(table_of(run)["model_version"].to_pylist()) == {other.number}


@pytest.mark.django_db(transaction=True)
def test_a_file_is_finished_by_the_version_it_began_with(
    begin: Begin,
    champion: ModelVersion,
    make_version: Callable[..., ModelVersion],
    shots: Shots,
) -> None:
    run = begin(csv_of(shots[:20]))
    user = User.objects.create(username="keeper")
    user.user_permissions.add(_permission("break_glass"))
    registry.break_glass(
        version=make_version(),
        reason="a test in the midst of a file",
        actor=Actor.of_user(user, via="person"),
    )

    worked(run)

    assert run.result["version"] == champion.number
    assert run.result["version_digest"] == champion.digest


def _permission(codename: str) -> Any:
    from django.contrib.auth.models import Permission  # noqa: PLC0415 - here alone

    return Permission.objects.get(codename=codename)


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_ends_the_run_and_a_retry_goes_on_from_its_parts(
    begin: Begin, shots: Shots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_batches, "PART_ROWS", 50)
    content = csv_of([shot | dict.fromkeys(FEATURE_NAMES[2:9], 9e9) for shot in shots[:200]])
    run = begin(content)

    with files_up_to(len(content) + 4096):  # the result, with its reasons, is larger
        worked(run)
    parts = file_runs.kept_parts(run.pk)
    again = worked(runs.retry(run_id=run.pk, actor=ACTOR))

    assert (run.state, run.error_code) == (State.ERRORED, "out_of_space")
    assert [part.end for part in parts] == [50, 100, 150, 200]
    assert again.state == State.SUCCEEDED
    assert again.result["invalid"] == 200
    assert again.events.filter(message__startswith="200 rows are taken over").exists()
    assert file_runs.kept_parts(again.pk) == []


@pytest.mark.django_db(transaction=True)
def test_a_file_without_a_readable_end_fails_and_says_so(begin: Begin, shots: Shots) -> None:
    head, *lines = csv_of(shots[:200]).decode().splitlines()
    ragged = ["x,y"] * 10_001  # behind more good rows than are looked at before the run

    run = worked(begin("\n".join([head, *lines * 150, *ragged]).encode()))

    assert (run.state, run.error_code) == (State.FAILED, "bad_cells")
    assert "cells but the header names" in run.error_message


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_midst_costs_no_row_and_repeats_none(
    begin: Begin,
    champion: ModelVersion,
    shots: Shots,
    celery_worker: Callable[..., Worker],
    child_environment: dict[str, str],
) -> None:
    child_environment |= {
        "MILLWRIGHT_RUN_LEASE_SECONDS": "3",
        "MILLWRIGHT_RUN_HEARTBEAT_SECONDS": "1",
    }
    head, *lines = csv_of(shots[:200]).splitlines()
    content = b"\n".join([head, *lines * 600])  # 120,000 rows, six parts
    first = celery_worker("interactive")
    run = begin(content)
    wait_for(lambda: file_runs.kept_parts(run.pk), 60, pause=0.01)

    with transaction.atomic():
        # Nothing of the run can be written while its row is held.
        held = Run.objects.select_for_update().get(pk=run.pk)
        parts = file_runs.kept_parts(run.pk)
        first.kill()
    celery_worker("interactive")
    wait_for(lambda: Run.objects.get(pk=run.pk).is_terminal, 90)

    run.refresh_from_db()
    assert held.state == State.RUNNING
    assert parts
    assert (run.state, run.attempt) == (State.SUCCEEDED, 2)
    assert run.result["rows"] == 120_000
    table = table_of(run)
    assert table["row"].to_pylist() == list(range(2, 120_002))
    said = table["probability"].to_numpy().reshape(600, 200)
    assert (said == said[0]).all()
    assert file_runs.kept_parts(run.pk) == []

"""Files predicted in the background: every row once, whatever dies, moves or is full meanwhile."""

import io
import json
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from portal.core.actors import Actor
from portal.core.models import User
from portal.lib import clock
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from portal.runs import artifacts
from portal.runs import services as runs
from portal.runs.models import Run, RunArtifact, State
from portal.runs.tasks import perform
from predictions import dispatch, tasks
from predictions.engine.features import FEATURE_NAMES
from predictions.models import Dataset, Prediction
from predictions.services import datasets, file_batches, file_runs, serving
from tests.predictions.conftest import SmallModel
from tests.waiting import wait_for
from tests.worker import Worker

ADDRESS = "/api/v1/batch-predictions/"
ACTOR = Actor.system("test", via="command")

pytestmark = pytest.mark.django_db

Shots = list[dict[str, float | None]]
Key = Callable[..., dict[str, str]]
Begin = Callable[..., Run]


@pytest.fixture
def begin(champion: ModelVersion) -> Begin:
    """Give ``begin(content)``: a queued run over a file."""

    def start(content: bytes, name: str = "shots.csv", **words: Any) -> Run:
        kept = file_batches.keep_input(io.BytesIO(content))
        return dispatch.predict_file(source=kept, source_name=name, actor=ACTOR, **words)

    return start


def csv_of(shots: Shots, **extra: list[str]) -> bytes:
    """Return shots as CSV, further columns first."""
    columns: dict[str, Any] = dict(extra)
    columns |= {name: [shot[name] for shot in shots] for name in FEATURE_NAMES}
    sink = io.BytesIO()
    pv.write_csv(pa.table(columns), sink)
    return sink.getvalue()


def worked(run: Run) -> Run:
    """Do a run's work in this process."""
    perform(str(run.pk), worker="tests:1")
    run.refresh_from_db()
    return run


def result_of(run: Run, name: str = "predictions.parquet") -> bytes:
    return artifacts.read(RunArtifact.objects.get(run=run, name=name).artifact_id)


def table_of(run: Run) -> pa.Table:
    return pq.read_table(io.BytesIO(result_of(run)))


def expected(version: ModelVersion, shots: Shots) -> np.ndarray[Any, Any]:
    matrix = np.array([[shot[name] for name in FEATURE_NAMES] for shot in shots], dtype=np.float32)
    return serving.load(version).model.predict(matrix)[0]


@contextmanager
def files_up_to(size_bytes: int) -> Iterator[None]:
    """Let this process write no larger files, as a full disk would not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- The work -------------------------------------------------------------------------------------
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


# --- The address ----------------------------------------------------------------------------------
def upload(content: bytes, name: str = "shots.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_a_file_is_taken_and_its_run_named(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict")

    answer = client.post(ADDRESS, {"file": upload(csv_of(shots[:3]))}, headers=headers)

    run = Run.objects.get(kind=tasks.PREDICT_FILE)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/runs/{run.pk}/"
    assert run.queue == "interactive"
    assert run.parameters["version"] == champion.number
    (listed,) = client.get(ADDRESS, headers=headers).json()["results"]
    assert (listed["id"], listed["state"], listed["input_name"]) == (
        str(run.pk),
        "queued",
        "shots.csv",
    )
    assert (listed["rows"], listed["results"]) == (None, {})


def test_the_same_request_under_one_key_starts_one_run(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict") | {"Idempotency-Key": "file-1"}

    first, again = (
        client.post(ADDRESS, {"file": upload(csv_of(shots[:3]))}, headers=headers) for _ in range(2)
    )
    other = client.post(ADDRESS, {"file": upload(csv_of(shots[1:4]))}, headers=headers)

    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 409)
    assert again.json() == first.json()
    assert Run.objects.filter(kind=tasks.PREDICT_FILE).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_at_once_under_one_key_start_one_run(
    champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict") | {"Idempotency-Key": "file-2"}
    content = csv_of(shots[:3])
    statuses: list[int] = []

    def ask() -> None:
        try:
            answer = Client().post(ADDRESS, {"file": upload(content)}, headers=headers)
            statuses.append(answer.status_code)
        finally:
            connection.close()

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()

    assert set(statuses) <= {202, 409}
    assert 202 in statuses
    assert Run.objects.filter(kind=tasks.PREDICT_FILE).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_finished_file_is_counted_and_fetched(
    client: Client, begin: Begin, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict")
    run = begin(csv_of(shots[:4]))
    early = client.get(f"{ADDRESS}{run.pk}/result/", headers=headers)
    worked(run)

    said = client.get(f"{ADDRESS}{run.pk}/", headers=headers).json()

    assert (early.status_code, early.json()["code"]) == (409, "not_finished")
    assert (said["state"], said["rows"], said["ok"], said["invalid"]) == ("succeeded", 4, 4, 0)
    assert said["progress"]["fraction"] == 1.0
    assert set(said["results"]) == {"csv", "parquet"}
    for form, result in said["results"].items():
        answer = client.get(result["url"], headers=headers)
        content = b"".join(answer)
        assert answer.status_code == 200
        assert len(content) == result["size_bytes"]
        assert answer.headers["Content-Disposition"].endswith(f'.{form}"')
    assert client.get(f"{ADDRESS}{run.pk}/result/?form=xlsx", headers=headers).status_code == 422


def test_a_waiting_file_is_stopped_by_who_asked_for_it(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict")
    client.post(ADDRESS, {"file": upload(csv_of(shots[:3]))}, headers=headers)
    run = Run.objects.get(kind=tasks.PREDICT_FILE)

    other = client.post(f"{ADDRESS}{run.pk}/cancel/", headers=make_key("predict", username="else"))
    answer = client.post(f"{ADDRESS}{run.pk}/cancel/", headers=headers)

    assert other.status_code == 403
    assert answer.json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04 a workbook", "Excel"),
        (b"\x00\x9f\x92\x96 nothing", ""),
        (b"a,b\n1,2\n", "Product_Type is missing"),
        ((",".join(FEATURE_NAMES) + "\n").encode(), "no shots"),
        ((",".join(FEATURE_NAMES[1:]) + "\n" + ",".join(["1"] * 29)).encode(), "Product_Type"),
    ],
)
def test_a_file_that_is_no_table_of_shots_is_refused_at_once(
    client: Client, champion: ModelVersion, make_key: Key, content: bytes, said: str
) -> None:
    answer = client.post(ADDRESS, {"file": upload(content)}, headers=make_key("predict"))

    assert answer.status_code == 422
    assert said in json.dumps(answer.json())
    assert not Run.objects.filter(kind=tasks.PREDICT_FILE).exists()


def test_a_body_without_one_source_is_refused(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict")
    both = {"file": upload(csv_of(shots[:2])), "dataset": 1}

    assert client.post(ADDRESS, {}, headers=headers).status_code == 422
    assert client.post(ADDRESS, both, headers=headers).status_code == 422
    for body in ({"dataset": 99}, {"dataset": 1, "sheet": 2}, {"version": 1}):
        answer = client.post(
            ADDRESS, json.dumps(body), content_type="application/json", headers=headers
        )
        assert answer.status_code == 422


def test_a_version_that_may_not_be_used_is_refused(
    client: Client,
    champion: ModelVersion,
    make_version: Callable[..., ModelVersion],
    shots: Shots,
    make_key: Key,
) -> None:
    bad = make_version()
    ModelVersion.objects.filter(pk=bad.pk).update(state=ModelVersion.State.QUARANTINED)
    content = csv_of(shots[:2])

    statuses = [
        client.post(
            ADDRESS, {"file": upload(content), **words}, headers=make_key("predict")
        ).status_code
        for words in ({"version": bad.number}, {"version": 99}, {"model": "nobody"})
    ]

    assert statuses == [409, 422, 404]


def test_without_a_champion_the_way_out_is_told(
    client: Client, shots: Shots, make_key: Key
) -> None:
    answer = client.post(ADDRESS, {"file": upload(csv_of(shots[:2]))}, headers=make_key("predict"))

    assert (answer.status_code, answer.json()["code"]) == (503, "no_champion")


def test_items_and_routings_are_no_shots(
    client: Client, champion: ModelVersion, make_key: Key
) -> None:
    kept = artifacts.save(b"nothing", "text/plain")
    other = Dataset.objects.create(
        name="Items", kind=Dataset.Kind.ROUTING, artifact=kept, fingerprint="2" * 64, n_rows=1
    )

    answer = client.post(
        ADDRESS,
        json.dumps({"dataset": other.pk}),
        content_type="application/json",
        headers=make_key("predict"),
    )

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "wrong_kind")


def test_a_viewer_looks_and_an_operator_starts(
    client: Client, champion: ModelVersion, shots: Shots
) -> None:
    statuses = {}
    for role in ("viewer", "operator"):
        user = User.objects.create(username=role)
        user.groups.add(Group.objects.get(name=role))
        client.force_login(user)
        looked = client.get(ADDRESS).status_code
        started = client.post(ADDRESS, {"file": upload(csv_of(shots[:2]))}).status_code
        statuses[role] = (looked, started)

    assert statuses == {"viewer": (200, 403), "operator": (200, 202)}


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

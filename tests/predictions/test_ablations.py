"""Ablation campaigns as runs: kept cell by cell, taken up again, compared on a page."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from portal.core.errors import InvalidInput
from portal.core.models import User
from portal.lib import clock
from portal.runs import artifacts, kinds, leases
from portal.runs import services as runs
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import Run, RunArtifact, RunEvent, State
from predictions import dispatch, tasks
from predictions.engine import ablation
from predictions.engine.generator import generate
from predictions.models import Ablation, Dataset
from predictions.models.ablations import CHECKPOINT, TABLE
from predictions.services import comparisons
from tests.predictions.conftest import SMALL
from tests.predictions.test_training import ACTOR, finished, save
from tests.waiting import wait_for
from tests.worker import Worker

ADDRESS = "/api/v1/training/ablations/"
AXES: dict[str, list[Any]] = {
    "features": ["all", "sensor"],
    "n_latent": [0],
    "learners": ["logistic_regression"],
}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

Key = Callable[..., dict[str, str]]


@pytest.fixture
def dataset(db: None, tmp_path: Any) -> Dataset:
    return save(generate(900, 6).table(), tmp_path)


@pytest.fixture
def context(dataset: Dataset) -> RunContext:
    """Give a campaign of three cells that this process has claimed."""
    run = dispatch.ablate(dataset=dataset, actor=ACTOR, params=SMALL, axes=AXES, seed=3)
    claimed = leases.claim(run.pk, worker="tests:1")
    assert claimed is not None
    return RunContext(claimed, Keeper(claimed))


def work(ctx: RunContext) -> dict[str, Any]:
    return kinds.get(tasks.ABLATION).work(ctx)


def kept(run_id: Any, name: str) -> bytes:
    return artifacts.read(RunArtifact.objects.get(run=run_id, name=name).artifact_id)


def names(run_id: Any) -> set[str]:
    return set(RunArtifact.objects.filter(run=run_id).values_list("name", flat=True))


@pytest.fixture
def page(db: None) -> Callable[..., Client]:
    def sign_in(role: str) -> Client:
        user = User.objects.create_user(role, password="x", is_staff=True)
        user.groups.set(Group.objects.filter(name=role))
        client = Client(headers={"accept-language": "en"})
        client.force_login(user)
        return client

    return sign_in


# --- The run ------------------------------------------------------------------------------------
def test_a_campaign_leaves_a_table_and_a_sheet(context: RunContext) -> None:
    result = work(context)

    table = json.loads(kept(context.run_id, TABLE))
    sheet = list(
        csv.DictReader(io.StringIO(kept(context.run_id, "ablation.csv").decode("utf-8-sig")))
    )
    assert names(context.run_id) == {TABLE, "ablation.csv"}
    assert result["n_cells"] == table["n_planned"] == len(table["cells"]) == 3
    assert result["verdict"] == table["verdict"]
    assert [row["kind"] for row in sheet].count("reference") == 1
    assert [row["kind"] for row in sheet].count("baseline") == 3
    assert float(sheet[0]["pr_auc"]) == table["cells"][0]["metrics"]["pr_auc"]["value"]


def test_what_another_attempt_finds_done_is_not_run_again(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, ran = ablation._run, []

    def watched(basis: Any, trial: Any, cell: Any, *rest: Any) -> Any:
        ran.append(cell)
        if len(ran) == 3:
            raise KeyboardInterrupt
        return run(basis, trial, cell, *rest)

    monkeypatch.setattr(ablation, "_run", watched)
    with pytest.raises(KeyboardInterrupt):
        work(context)
    partial = json.loads(kept(context.run_id, TABLE))
    work(context)

    assert (len(partial["cells"]), partial["n_planned"]) == (2, 3)
    assert len(ran) == 4
    assert CHECKPOINT not in names(context.run_id)


def test_a_damaged_checkpoint_is_begun_anew(context: RunContext) -> None:
    context.save_artifact(CHECKPOINT, b"nonsense", "test/npz")

    assert work(context)["n_cells"] == 3


def test_a_campaign_that_cannot_be_judged_says_why(tmp_path: Any) -> None:
    few = save(generate(60, 2).table(), tmp_path)
    run = dispatch.ablate(dataset=few, actor=ACTOR, params=SMALL)
    claimed = leases.claim(run.pk, worker="tests:1")
    assert claimed is not None

    with pytest.raises(InvalidInput, match="No campaign was run"):
        work(RunContext(claimed, Keeper(claimed)))


@pytest.mark.integration
def test_a_campaign_whose_worker_is_killed_goes_on_behind_the_last_cell(
    celery_worker: Callable[..., Worker],
    dataset: Dataset,
    child_environment: dict[str, str],
) -> None:
    child_environment |= {
        "MILLWRIGHT_RUN_LEASE_SECONDS": "3",
        "MILLWRIGHT_RUN_HEARTBEAT_SECONDS": "1",
    }
    first = celery_worker("train")
    axes = AXES | {"features": ["all", "process", "sensor"], "learners": ["extra_trees"]}
    params = SMALL | {"n_estimators": 200}
    run = dispatch.ablate(dataset=dataset, actor=ACTOR, params=params, axes=axes, seed=5)
    wait_for(lambda: {CHECKPOINT, TABLE} <= names(run.pk), 90)
    n_before = len(json.loads(kept(run.pk, TABLE))["cells"])

    first.kill()
    celery_worker("train")

    assert finished(run).state == State.SUCCEEDED
    assert run.attempt == 2
    n_points = RunEvent.objects.filter(run=run, type=RunEvent.Type.METRIC).count()
    assert n_points <= 4 + 4 - n_before
    assert len(json.loads(kept(run.pk, TABLE))["cells"]) == 4


def test_a_campaign_is_cancelled_and_its_repetition_takes_over_what_was_done(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, ran = ablation._run, []

    def watched(basis: Any, trial: Any, cell: Any, *rest: Any) -> Any:
        ran.append(cell)
        if len(ran) == 2:
            raise KeyboardInterrupt
        return run(basis, trial, cell, *rest)

    monkeypatch.setattr(ablation, "_run", watched)
    with pytest.raises(KeyboardInterrupt):
        work(context)
    Run.objects.filter(pk=context.run_id).update(
        state=State.CANCELLED, finished_at=clock.now(), lease_expires_at=None
    )
    again = leases.claim(runs.retry(run_id=context.run_id, actor=ACTOR).pk, worker="tests:1")
    assert again is not None

    assert work(RunContext(again, Keeper(again)))["n_cells"] == 3
    assert len(ran) == 2 + 2


# --- Asking for one -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"features": ["colours"]}, "features[0]"),
        ({"n_latent": [5]}, "n_latent[0]"),
        ({"learners": []}, "learners"),
        ({"params": {"n_folds": 99}}, "n_folds"),
        ({"params": {"colour": 1}}, "colour"),
        ({"dataset": 9999}, "dataset"),
        ({"shape": 1}, "shape"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_senseless_campaign_is_refused_by_name(
    client: Client, make_key: Key, dataset: Dataset, body: dict[str, Any], field: str
) -> None:
    answer = client.post(
        ADDRESS,
        json.dumps({"dataset": dataset.pk} | body),
        content_type="application/json",
        headers=make_key("train"),
    )

    assert answer.status_code == 422
    assert field in {error["field"] for error in answer.json()["errors"]}
    assert not Run.objects.exists()


def test_a_campaign_is_asked_for_and_its_comparison_read_over_the_api(
    client: Client, make_key: Key, dataset: Dataset
) -> None:
    answer = client.post(
        ADDRESS,
        json.dumps({"dataset": dataset.pk, "params": SMALL, "seed": 3} | AXES),
        content_type="application/json",
        headers=make_key("train"),
    )
    address = f"{ADDRESS}{answer.json()['id']}/"
    before = client.get(address, headers=make_key("read")).json()

    run = Run.objects.get()
    assert answer.status_code == 202
    assert (run.kind, run.queue, run.seed) == (tasks.ABLATION, "train", 3)
    assert before["table"] is None
    assert before["run"]["id"] == str(run.pk)
    unknown = f"{ADDRESS}00000000-0000-4000-8000-000000000000/"
    assert client.get(unknown, headers=make_key("read")).status_code == 404
    assert client.post(ADDRESS, headers=make_key("read")).status_code == 403


def test_an_operator_starts_one_from_the_data_set(
    page: Callable[..., Client], dataset: Dataset
) -> None:
    client = page("operator")
    address = reverse("admin:predictions_dataset_ablate", args=[dataset.pk])
    shown = client.get(address)
    values = {
        field.name: field.value() for field in shown.context["form"] if field.value() is not None
    }

    answer = client.post(address, values | {"features": ["all", "process"], "seed": "4"})

    run = Ablation.objects.get()
    assert answer.headers["Location"] == reverse("admin:predictions_ablation_change", args=[run.pk])
    assert run.parameters["axes"]["features"] == ["all", "process"]
    assert run.seed == 4
    assert "No cell is done yet" in client.get(answer.headers["Location"]).text


def test_a_viewer_may_look_and_not_start(page: Callable[..., Client], dataset: Dataset) -> None:
    client = page("viewer")
    address = reverse("admin:predictions_dataset_ablate", args=[dataset.pk])

    assert client.post(address, {}).status_code == 403
    assert client.get(reverse("admin:predictions_ablation_changelist")).status_code == 200


# --- The page -----------------------------------------------------------------------------------
def test_the_page_compares_cells_and_baselines_in_any_order(
    context: RunContext, page: Callable[..., Client]
) -> None:
    work(context)
    client = page("viewer")
    address = reverse("admin:predictions_ablation_change", args=[context.run_id])

    def briers(query: str) -> list[float]:
        rows = client.get(f"{address}?sort={query}").context["rows"]
        return [row.metrics["brier"]["value"] for row in rows]

    shown = client.get(address)
    rows = shown.context["rows"]
    values = [row.metrics["pr_auc"]["value"] for row in rows]
    by_brier, backwards = briers("brier"), briers("-brier")

    assert values == sorted(values, reverse=True)
    assert by_brier == sorted(by_brier)
    assert backwards == by_brier[::-1]
    assert sum(row.is_best for row in rows) == 1
    assert [row.kind for row in rows].count("baseline") == 3
    assert "Logistic regression" in shown.text
    assert shown.text.count("mw-range-value") >= 6
    assert client.get(f"{address}?sort=colour").status_code == 200
    assert "aria-sort" in shown.text


def test_a_damaged_table_is_told_and_no_crash(
    context: RunContext, page: Callable[..., Client]
) -> None:
    artifact = context.save_artifact(TABLE, b'{"cells": []}', "application/json")
    artifacts._storage().delete(artifact.storage_name)

    answer = page("viewer").get(reverse("admin:predictions_ablation_change", args=[context.run_id]))

    assert answer.status_code == 200
    assert 'role="alert"' in answer.text


# --- Command line -------------------------------------------------------------------------------
def test_the_command_starts_one_and_says_what_is_wrong(dataset: Dataset) -> None:
    output = io.StringIO()
    call_command(
        "ablation",
        dataset="latest",
        params=json.dumps(SMALL),
        learners=["extra_trees"],
        no_wait=True,
        stdout=output,
    )

    assert "Ablation of 2 cells" in output.getvalue()
    with pytest.raises(CommandError, match="There is no data set"):
        call_command("ablation", dataset="nothing")
    with pytest.raises(CommandError, match="fish is not a training parameter"):
        call_command("ablation", dataset="latest", params='{"fish": 1}')


def test_the_command_prints_the_table(context: RunContext) -> None:
    from predictions.management.commands.ablation import _table  # noqa: PLC0415 - a command

    work(context)
    table = _table(Run.objects.get(pk=context.run_id))

    assert table.row_count == 3 + 3
    assert comparisons.table(comparisons.find(context.run_id))

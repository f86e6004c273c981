"""What a run says on its way to the database."""

import math
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from portal.runs import events
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import Run, RunEvent
from portal.runs.outbox import MOST_PENDING

pytestmark = pytest.mark.django_db


@pytest.fixture
def keeper(claimed: Any) -> Keeper:
    return Keeper(claimed())


@pytest.fixture
def ctx(keeper: Keeper) -> RunContext:
    return RunContext(keeper.run, keeper)


def written(run: Run, type_: str) -> list[RunEvent]:
    return list(run.events.filter(type=type_).order_by("pk"))


def test_much_progress_becomes_one_row(ctx: RunContext, keeper: Keeper) -> None:
    for step in range(1_000):
        ctx.progress((step + 1) / 2_000, phase="fit", message=f"tree {step}", rate=12.5)
    keeper.outbox.flush()
    (row,) = written(keeper.run, "progress")
    assert (row.value, row.name, row.message) == (0.5, "fit", "tree 999")
    keeper.run.refresh_from_db()
    assert (keeper.run.progress_fraction, keeper.run.progress_rate) == (0.5, 12.5)
    assert keeper.run.progress_eta_s is not None


def test_progress_rows_come_at_most_five_times_a_second(ctx: RunContext, keeper: Keeper) -> None:
    for step in range(20):
        ctx.progress(step / 40)
        keeper.outbox.flush()
    assert len(written(keeper.run, "progress")) == 1
    keeper.run.refresh_from_db()
    assert keeper.run.progress_fraction == 19 / 40


@pytest.mark.parametrize(("given", "kept"), [(-1, 0.0), (7, 1.0), (math.nan, 0.0), (math.inf, 1.0)])
def test_progress_is_held_to_a_share(
    ctx: RunContext, keeper: Keeper, given: float, kept: float
) -> None:
    ctx.progress(given)
    keeper.outbox.flush()
    keeper.run.refresh_from_db()
    assert keeper.run.progress_fraction == kept


def test_lines_and_points_keep_their_order(ctx: RunContext, keeper: Keeper) -> None:
    ctx.log("begin", rows=7)
    ctx.metric("loss", 0.25, step=1)
    ctx.log("careful", level="warning")
    keeper.outbox.flush()
    rows = list(keeper.run.events.exclude(type="state").order_by("pk"))
    assert [(row.type, row.message or row.name) for row in rows] == [
        ("log", "begin"),
        ("metric", "loss"),
        ("log", "careful"),
    ]
    assert (rows[0].data, rows[1].value, rows[1].step) == ({"rows": 7}, 0.25, 1)
    assert rows[2].level == "warning"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_point_that_is_not_finite_is_a_word(
    ctx: RunContext, keeper: Keeper, value: float
) -> None:
    ctx.metric("loss", value)
    keeper.outbox.flush()
    (row,) = written(keeper.run, "metric")
    assert (row.value, row.data) == (None, {"value": str(value)})


def test_numbers_of_numpy_stay_numbers() -> None:
    given = {"n": np.int64(3), "share": np.float32(0.5), "gap": np.float64("nan"), "xs": (1, None)}
    assert events.clean_json(given) == {"n": 3, "share": 0.5, "gap": "nan", "xs": [1, None]}


def test_text_that_postgres_refuses_is_made_fit(ctx: RunContext, keeper: Keeper) -> None:
    ctx.log("a\x00b \ud800", path="c\x00d", when=timezone.now(), share=math.nan)
    ctx.progress(0.1, phase="x\x00" * 100, message="y" * 1_000)
    keeper.outbox.flush()
    (row,) = written(keeper.run, "log")
    assert row.message == "a�b ?"
    assert (row.data["path"], row.data["share"]) == ("c�d", "nan")


def test_long_texts_and_large_data_are_cut(ctx: RunContext, keeper: Keeper) -> None:
    ctx.log("x" * 10_000, blob="y" * 20_000)
    keeper.outbox.flush()
    (row,) = written(keeper.run, "log")
    assert len(row.message) == events.LONGEST_MESSAGE
    assert row.data["dropped_bytes"] > events.LARGEST_DATA_BYTES


def test_a_runs_events_have_a_cap(ctx: RunContext, keeper: Keeper, settings: Any) -> None:
    settings.RUN_MAX_EVENTS = 10
    for number in range(50):
        ctx.log(f"line {number}")
    keeper.outbox.flush()
    ctx.log("one more")
    keeper.outbox.flush()
    told = list(keeper.run.events.order_by("pk"))
    assert len(told) == 10
    assert told[-1].level == "warning"


def test_a_writer_far_behind_keeps_memory_bounded(ctx: RunContext, keeper: Keeper) -> None:
    for number in range(MOST_PENDING + 100):
        ctx.log(f"line {number}")
    keeper.outbox.flush()
    lines = written(keeper.run, "log")
    assert len(lines) == MOST_PENDING + 1
    assert "100" in lines[-1].message


def refuse_events(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Stand for a database that is away while events are inserted."""
    if sql.startswith("INSERT") and "runs_runevent" in sql:
        raise RuntimeError("refused for the test")
    return execute(sql, params, many, context)


def test_lines_that_could_not_be_written_are_kept(ctx: RunContext, keeper: Keeper) -> None:
    ctx.log("kept")
    with connection.execute_wrapper(refuse_events), pytest.raises(RuntimeError, match="refused"):
        keeper.outbox.flush()
    assert not written(keeper.run, "log")
    keeper.outbox.flush()
    assert [row.message for row in written(keeper.run, "log")] == ["kept"]

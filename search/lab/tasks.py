"""The kinds of runs of the lab."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.runs import kinds
from portal.runs.context import RunContext
from portal.runs.models import Queue
from portal.runs.services.schedules import Plan, declare

BENCHMARK = "search.benchmark"
REPEAT = "search.repeat_benchmark"
TUNE = "search.tune_graph"
SWEEP = "search.sweep_lab"
REPEAT_SCHEDULE = "repeat-benchmark"


@kinds.run_task(kind=BENCHMARK, queue=Queue.BENCH, title=_("Benchmark search engines"))
def benchmark(ctx: RunContext) -> dict[str, Any]:
    """Measure the cells of a campaign that are left."""
    from search.lab.services import running  # noqa: PLC0415 - the web process loads no engine

    return running.work(ctx)


@kinds.run_task(kind=REPEAT, queue=Queue.BENCH, title=_("Repeat a benchmark and compare"))
def repeat(ctx: RunContext) -> dict[str, Any]:
    """Measure a named campaign again; alert when it became slower or less exact."""
    from search.lab.services import watching  # noqa: PLC0415 - as above

    return watching.repeat(ctx)


declare(
    Plan(
        name=REPEAT_SCHEDULE,
        kind=REPEAT,
        crontab="0 4 * * 6",
        parameters={"campaign": ""},
        overlap_key=REPEAT,
        is_enabled=False,
        description="Off until its parameter names a campaign of the lab.",
    )
)


@kinds.run_task(kind=SWEEP, queue=Queue.MAINTENANCE, title=_("Sweep the lab"))
def sweep(ctx: RunContext) -> dict[str, Any]:
    """Remove indexes and passes that no campaign will go on with, and corpora that nobody uses."""
    from search.lab.services import room, shelf, tables  # noqa: PLC0415 - as above

    home = room.folder()
    return {"removed": shelf.sweep(home, tables.drop) + shelf.sweep_shared(home)}


declare(
    Plan(
        name="sweep-lab",
        kind=SWEEP,
        crontab="40 3 * * *",
        parameters={},
        overlap_key=SWEEP,
        description="Indexes of campaigns that rest, and corpora, are kept for 14 days.",
    )
)


@kinds.run_task(kind=TUNE, queue=Queue.BENCH, title=_("Tune a graph for a recall"))
def tune(ctx: RunContext) -> dict[str, Any]:
    """Find parameters of a graph that reach a recall, and prove them against the defaults."""
    from search.lab.services import tuning  # noqa: PLC0415 - the web process loads no optuna

    return tuning.work(ctx)

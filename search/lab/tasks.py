"""The kinds of runs of the lab."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.runs import kinds
from portal.runs.context import RunContext
from portal.runs.models import Queue

BENCHMARK = "search.benchmark"


@kinds.run_task(kind=BENCHMARK, queue=Queue.BENCH, title=_("Benchmark search engines"))
def benchmark(ctx: RunContext) -> dict[str, Any]:
    """Measure the cells of a campaign that are left."""
    from search.lab.services import running  # noqa: PLC0415 - the web process loads no engine

    return running.work(ctx)

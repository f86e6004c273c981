"""The kinds of runs of this app."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.core.models import Scope
from portal.runs import kinds
from portal.runs.context import RunContext
from portal.runs.models import Queue, Schedule
from portal.runs.services.schedules import Plan, declare
from search.services import batches
from search.services.requesting import BUILD_INDEX

IMPORT_DOCUMENTS = "search.import_documents"
EVALUATE = "search.evaluate"
BATCH = batches.KIND
TUNE = "search.tune"
TEND = "search.tend"
REBUILD = "search.rebuild"


@kinds.run_task(
    kind=BUILD_INDEX, queue=Queue.TRAIN, title=_("Build a search index"), scope=Scope.SEARCH
)
def build_index(ctx: RunContext) -> dict[str, Any]:
    """Build the index of a collection and put it live where that needs nobody."""
    from search.services import indexing  # noqa: PLC0415 - the web process loads no DuckDB

    return indexing.build(ctx, ctx.parameters["collection"])


@kinds.run_task(
    kind=IMPORT_DOCUMENTS,
    queue=Queue.INTERACTIVE,
    title=_("Import documents"),
    scope=Scope.SEARCH,
)
def import_documents(ctx: RunContext) -> dict[str, Any]:
    """Read files into a collection and report on every one that was skipped."""
    from search.services import importing  # noqa: PLC0415 - readers are large

    return importing.load(ctx)


@kinds.run_task(
    kind=BATCH, queue=Queue.INTERACTIVE, title=_("Search many queries"), scope=Scope.SEARCH
)
def search_batch(ctx: RunContext) -> dict[str, Any]:
    """Ask many queries and keep what they answer, part by part."""
    return batches.ask(ctx)


@kinds.run_task(kind=EVALUATE, queue=Queue.TRAIN, title=_("Check relevance"), scope=Scope.SEARCH)
def evaluate(ctx: RunContext) -> dict[str, Any]:
    """Ask the live index the judged queries and keep how well it answers."""
    from search.services import relevance  # noqa: PLC0415 - the web process loads no DuckDB

    return relevance.evaluate(ctx, ctx.parameters["collection"])


@kinds.run_task(kind=TUNE, queue=Queue.TRAIN, title=_("Tune search weights"), scope=Scope.SEARCH)
def tune(ctx: RunContext) -> dict[str, Any]:
    """Choose how the two legs are joined by the judged queries."""
    from search.services import relevance  # noqa: PLC0415 - the web process loads no DuckDB

    return relevance.tune(ctx, ctx.parameters["collection"], adopt=ctx.parameters["adopt"])


@kinds.run_task(kind=TEND, queue=Queue.MAINTENANCE, title=_("Tend search indexes"))
def tend(ctx: RunContext) -> dict[str, Any]:
    """Rebuild what changed much, remove what nobody needs any more."""
    from search.services import tending  # noqa: PLC0415 - as above

    return tending.tend(ctx)


@kinds.run_task(kind=REBUILD, queue=Queue.MAINTENANCE, title=_("Rebuild search indexes"))
def rebuild(ctx: RunContext) -> dict[str, Any]:
    """Build every collection anew that changed since its last build."""
    from search.services import tending  # noqa: PLC0415 - as above

    return tending.rebuild(ctx)


declare(
    Plan(
        name="rebuild-search-indexes",
        kind=REBUILD,
        crontab="30 2 * * 0",
        missed_policy=Schedule.MissedPolicy.ONCE,
        overlap_key=REBUILD,
        description="Build every search index anew whose documents changed since its last build.",
    )
)
declare(
    Plan(
        name="tend-search-indexes",
        kind=TEND,
        interval=timedelta(minutes=5),
        overlap_key=TEND,
        description="Rebuild indexes whose documents changed much, remove what is not needed.",
    )
)

"""Start the runs of the lab."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import Conflict, NotFound
from portal.runs import services as runs
from portal.runs.models import Run, State
from search import dispatch as search_dispatch
from search.lab import tasks
from search.lab.engine.matrix import Matrix
from search.lab.models import Campaign
from search.lab.services import applying, campaigns, room

if TYPE_CHECKING:
    from search.lab.services.tuning import Wish


@transaction.atomic
def start(
    *,
    plan: Matrix,
    name: str,
    actor: Actor,
    wishes: campaigns.Wishes | None = None,
    collection: str = "",
    baseline: Campaign | None = None,
    only_builds: bool = False,
    timed_builds: int = 0,
) -> Campaign:
    """Make a campaign and start its run; see `search.lab.services.campaigns.create`.

    Parameters
    ----------
    only_builds : bool
        Build every index, then rest: the timing is left for a quiet hour.
    timed_builds : int
        How often the indexes of each corpus are built in both ways, one after another and side by
        side, to compare the times.

    Raises
    ------
    InvalidInput
        If a wish is out of bounds.
    OutOfSpace
        If the disk has no room for its corpora and indexes.
    """
    campaign = campaigns.create(
        plan=plan,
        name=name,
        actor=actor,
        wishes=wishes,
        collection=collection,
        baseline=baseline,
    )
    room.check(campaign, only_builds=only_builds)
    _run(campaign, actor, only_builds=only_builds, timed_builds=timed_builds)
    return campaign


@transaction.atomic
def resume(*, campaign: Campaign, actor: Actor, only_builds: bool = False) -> Run:
    """Start another run for the cells that are left, failed ones included.

    Parameters
    ----------
    only_builds : bool
        As for `start`.

    Raises
    ------
    Conflict
        If it is at work or complete.
    OutOfSpace
        If the disk has no room for what is left.
    """
    campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    campaigns.ready_to_resume(campaign=campaign)
    room.check(campaign, only_builds=only_builds)
    return _run(campaign, actor, only_builds=only_builds)


def tune(*, wish: "Wish", actor: Actor) -> Run:
    """Start the search for a graph; see `search.lab.services.tuning.Wish`.

    Raises
    ------
    InvalidInput
        If the wish is out of bounds.
    NotFound
        If there is no such collection.
    """
    from search.lab.services import tuning  # noqa: PLC0415 - the web process loads no optuna

    tuning.check(wish)
    on = wish.collection or f"{wish.scale:,} x {wish.dimension}"
    return runs.enqueue(
        kind=tasks.TUNE,
        actor=actor,
        parameters=wish.to_dict(),
        seed=wish.seed,
        title=_("Tune %(engine)s on %(corpus)s") % {"engine": wish.engine, "corpus": on},
    )


def tuned(number: UUID | str) -> Run:
    """Return a run that tuned a graph and found one.

    Raises
    ------
    NotFound
        If there is no such run of this kind.
    Conflict
        If it found nothing, or has not ended.
    """
    run = Run.objects.filter(pk=number, kind=tasks.TUNE).first()
    if run is None:
        raise NotFound(
            _("There is no run “%(wanted)s” that tunes a graph.") % {"wanted": number},
            code="no_tuning",
        )
    if run.state != State.SUCCEEDED:
        raise Conflict(
            _("The run is “%(state)s”: only one that succeeded has a graph to build with.")
            % {"state": State(run.state).label},
            code="not_tuned",
        )
    return run


@transaction.atomic
def apply(*, result: Mapping[str, Any], collection: str, actor: Actor) -> Run:
    """Have the next index of a collection built with the graph that a tuning run found.

    Parameters
    ----------
    result : mapping
        Of the tuning run.

    Returns
    -------
    Run
        The build. Its version goes live once a person other than the one who asks has approved it:
        it is built in another way than the live one.

    Raises
    ------
    Conflict
        If there is nothing to apply, see `search.lab.services.applying.configure`, or the
        collection holds no document.
    NotFound
        If there is no such collection.
    """
    configured = applying.configure(result=result, collection=collection, actor=actor)
    return search_dispatch.build_index(collection=configured, actor=actor)


def _run(campaign: Campaign, actor: Actor, **parameters: int) -> Run:
    run = runs.enqueue(
        kind=tasks.BENCHMARK,
        actor=actor,
        parameters={"campaign": str(campaign.pk)} | {k: v for k, v in parameters.items() if v},
        title=_("Benchmark “%(name)s”") % {"name": campaign.name},
        overlap_key=f"{tasks.BENCHMARK}:{campaign.pk}",
    )
    Campaign.objects.filter(pk=campaign.pk).update(run=run)
    campaign.run = run
    return run

"""Start the runs of the lab."""

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.runs import services as runs
from portal.runs.models import Run
from search.lab import tasks
from search.lab.engine.matrix import Matrix
from search.lab.models import Campaign
from search.lab.services import campaigns


@transaction.atomic
def start(
    *,
    plan: Matrix,
    name: str,
    actor: Actor,
    wishes: campaigns.Wishes | None = None,
    collection: str = "",
    baseline: Campaign | None = None,
) -> Campaign:
    """Make a campaign and start its run; see `search.lab.services.campaigns.create`.

    Raises
    ------
    InvalidInput
        If a wish is out of bounds.
    """
    campaign = campaigns.create(
        plan=plan,
        name=name,
        actor=actor,
        wishes=wishes,
        collection=collection,
        baseline=baseline,
    )
    _run(campaign, actor)
    return campaign


@transaction.atomic
def resume(*, campaign: Campaign, actor: Actor) -> Run:
    """Start another run for the cells that are left, failed ones included.

    Raises
    ------
    Conflict
        If it is at work or complete.
    """
    campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    campaigns.ready_to_resume(campaign=campaign)
    return _run(campaign, actor)


def _run(campaign: Campaign, actor: Actor) -> Run:
    run = runs.enqueue(
        kind=tasks.BENCHMARK,
        actor=actor,
        parameters={"campaign": str(campaign.pk)},
        title=_("Benchmark “%(name)s”") % {"name": campaign.name},
        overlap_key=f"{tasks.BENCHMARK}:{campaign.pk}",
    )
    Campaign.objects.filter(pk=campaign.pk).update(run=run)
    campaign.run = run
    return run

"""The command that measures the cells of a campaign again."""

import shlex
from collections.abc import Iterator

from search.lab.models import Campaign


def command(campaign: Campaign) -> str:
    """Return the command, with the name of the campaign and all that differs from the usual."""
    return shlex.join(["manage.py", "benchmark", *_words(campaign)])


def _words(campaign: Campaign) -> Iterator[str]:
    plan = campaign.plan
    if campaign.name:
        yield from ("--name", campaign.name)
    if campaign.collection:
        yield from ("--collection", campaign.collection)
    else:
        yield from ("--scales", *map(str, plan.scales))
    yield from ("--dimensions", *map(str, plan.dimensions))
    yield from ("--search-types", *plan.search_types)
    yield from ("--filters", *("none" if one is None else f"{one:g}" for one in plan.filters))
    yield from ("--engines", *plan.engines)
    if "hybrid" in plan.search_types:
        yield from ("--lexical", plan.lexical)
    if plan.recall is not None:
        yield from ("--recall", f"{plan.recall:g}")
    given = [
        f"{engine}.{name}={value}"
        for engine, own in plan.parameters.items()
        for name, value in own.items()
    ]
    if given:
        yield from ("--parameters", *given)
    if campaign.n_workers != 1:
        yield "--parallel"
    if campaign.n_workers > 1:
        yield from ("--workers", str(campaign.n_workers))
    if campaign.memory_mb:
        yield from ("--max-memory", str(campaign.memory_mb))
    yield from ("--clients", *map(str, campaign.clients))
    yield from ("--passes", str(campaign.n_passes), "--tries", str(campaign.max_tries))
    yield from ("--seed", str(campaign.seed))

"""Somebody's own collection as the corpus of a campaign."""

from collections.abc import Callable, Iterator
from pathlib import Path

from django.db.models import Sum
from django.utils.translation import gettext as _

from portal.core.errors import Conflict, FieldProblem, InvalidInput
from portal.registry import selectors as registry
from search.lab.engine import corpora, sealed
from search.lab.engine.corpora import Check, TextFolder
from search.lab.engine.matrix import MAX_SCALE
from search.lab.engine.problems import CorpusProblem
from search.lab.models import Campaign
from search.lab.services import problems
from search.models import Collection
from search.services import collections, configuration


def expected_passages(name: str) -> int:
    """Return about how many passages a collection has, without cutting it.

    Raises
    ------
    NotFound
        If there is no such collection.
    InvalidInput
        If it is too small to measure anything on, or too large.
    """
    collection = collections.get(name)
    champion = registry.champion(collection.model_name)
    count = champion.evaluation.get("n_passages") if champion is not None else None
    if count is None:
        settings = configuration.parse(collection.options)
        n_chars = collection.documents.present().aggregate(n=Sum("n_chars"))["n"] or 0
        count = -(-n_chars // settings.cutting.target_chars)
    if count < corpora.MIN_PASSAGES:
        raise problems.invalid_input(
            CorpusProblem("too_few_passages", value=count, limit=corpora.MIN_PASSAGES),
            field="collection",
        )
    if count > MAX_SCALE:
        message = _(
            "The collection has about %(value)s passages: the lab measures up to %(limit)s."
        ) % {"value": count, "limit": MAX_SCALE}
        problem = FieldProblem("collection", "too_many_passages", message)
        raise InvalidInput(message, code="too_many_passages", problems=[problem])
    return int(count)


def texts(
    folder: Path, campaign: Campaign, check: Check, damaged: Callable[[str], None]
) -> TextFolder:
    """Return the texts of a campaign's collection as they were when it first worked.

    Parameters
    ----------
    damaged : callable
        Told the name of a folder of texts that was damaged, and is therefore made again.

    Raises
    ------
    Conflict
        If the collection changed since and its texts of then are gone.
    InvalidInput
        If there are too few passages.
    NotFound
        If the collection is gone.
    """
    collection = collections.get(campaign.collection)
    settings = configuration.parse(collection.options)
    name = f"{collection.name}-{collection.sequence}-{settings.digest[:8]}"
    pinned = campaign.corpus or name
    place = corpora.collection_folder(folder, pinned, campaign.seed)
    if sealed.drop_damaged(place):
        damaged(place.name)
    if pinned != name and not corpora.is_there(folder, pinned, campaign.seed):
        raise Conflict(
            _(
                "“%(name)s” has changed since the campaign began, and its texts of then are gone: "
                "start a new campaign."
            )
            % {"name": collection.name},
            code="collection_changed",
        )
    Campaign.objects.filter(pk=campaign.pk).update(corpus=pinned)
    try:
        return corpora.of_collection(
            folder, pinned, lambda: _passages(collection), seed=campaign.seed, check=check
        )
    except CorpusProblem as exc:
        raise problems.invalid_input(exc, field="collection") from exc


def _passages(collection: Collection) -> Iterator[str]:
    from search.services import indexing  # noqa: PLC0415 - DuckDB is large

    settings = configuration.parse(collection.options)
    for passage in indexing.stream(collection, settings):
        yield passage.searched()

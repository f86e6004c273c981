"""Relevance checks of the live index, and the tuning of how its legs are joined."""

from typing import Any

from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import Conflict
from portal.registry import selectors
from portal.registry.models import PORTAL_NAME, ModelVersion
from portal.runs.context import RunContext
from portal.runs.models import Run
from search.engine.problems import EngineError
from search.engine.tuning import N_FOLDS
from search.engine.tuning import evaluate as measured
from search.engine.tuning import tune as tuned
from search.models import Collection, RelevanceCheck
from search.services import collections, judgements, loading
from search.services.configuration import search_options
from search.services.problems import translated


def evaluate(ctx: RunContext, name: str) -> dict[str, Any]:
    """Ask the live index, brought up to date, all judged queries and keep the figures.

    Raises
    ------
    Conflict
        When there is no live index, or no judged query.
    """
    collection = collections.get(name)
    judged = judgements.load(collection)
    if not judged:
        raise _nothing_judged(1)
    version = _live(collection)
    ctx.progress(0.0, _("queries"), _("Asking %(count)d queries.") % {"count": len(judged)})
    held = loading.load(version, collection.name)
    loading.catch_up(held, collection.sequence)
    quality = measured(
        held.index,
        judged,
        options=search_options(collection.search_defaults),
        by="document",
        check=ctx.check,
    )
    figures = {
        "ndcg_at_10": quality.ndcg_at_10,
        "recall_at_100": quality.recall_at_100,
        "mrr": quality.mrr,
        "n_judged": quality.n,
    }
    with ctx.fenced() as run:
        keep(collection, version, judgements.digest(judged), figures, run)
    return {"version": version.number, **figures}


def keep(
    collection: Collection,
    version: ModelVersion,
    digest: str,
    figures: dict[str, Any],
    run: Run | None,
) -> RelevanceCheck:
    """Keep how well a version answered the judgements of a digest; a repetition replaces it."""
    kept, _created = RelevanceCheck.objects.update_or_create(
        version=version,
        judged_digest=digest,
        defaults={"collection": collection, "run": run, **figures},
    )
    return kept


def tune(ctx: RunContext, name: str, *, adopt: bool) -> dict[str, Any]:
    """Try all ways to join the legs on the judged queries and say which is best.

    Parameters
    ----------
    ctx
        The run; its seed divides the queries into folds.
    name
        Of the collection.
    adopt
        Whether a way that is better on queries it was not chosen by becomes the collection's own.

    Raises
    ------
    Conflict
        When there is no live index, or too few judged queries.
    """
    collection = collections.get(name)
    judged = judgements.load(collection)
    if len(judged) < N_FOLDS:
        raise _nothing_judged(N_FOLDS)
    held = loading.load(_live(collection), collection.name)
    loading.catch_up(held, collection.sequence)

    def tell(fraction: float, _phase: str, _message: str) -> None:
        ctx.progress(fraction, _TUNING, _("Trying ways to join the legs."))

    try:
        found = tuned(
            held.index, judged, by="document", seed=ctx.seed, on_progress=tell, check=ctx.check
        )
    except EngineError as exc:
        raise translated(exc) from exc
    is_adopted = adopt and found.is_better
    if is_adopted:
        wanted = {"fusion": found.fusion, "vector_weight": found.vector_weight}
        with ctx.fenced():
            collections.configure(
                collection=collection,
                search_defaults={**collection.search_defaults, **wanted},
                actor=Actor.system(PORTAL_NAME),
            )
    return {**found.to_dict(), "version": held.version, "is_adopted": is_adopted}


_TUNING = "tune"


def _live(collection: Collection) -> ModelVersion:
    version = selectors.champion(collection.model_name)
    if version is None:
        raise Conflict(
            _("“%(name)s” has no live index: build one first.") % {"name": collection.name},
            code="no_index",
        )
    return version


def _nothing_judged(needed: int) -> Conflict:
    return Conflict(
        _("At least %(needed)d judged queries are needed: judge some on the judgement page.")
        % {"needed": needed},
        code="too_few_judged",
    )

"""Building the index of a collection as a run: stream, build, judge, store, register, publish.

The build writes into a folder of its own and the version is registered under the run's fence, so a
worker that dies anywhere leaves the live index as it is. A second attempt finds the version, if it
came that far, and goes on from there.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from django.db.models import Count, Sum
from django.utils.translation import gettext as _

from portal.core.errors import FULL_ERRNOS, OutOfSpace
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from portal.runs.context import RunContext
from portal.runs.models import Run
from search.engine.building import WAITED
from search.engine.building import build as build_folder
from search.engine.index import open_index
from search.engine.manifest import Manifest
from search.engine.passages import Passage
from search.engine.problems import EngineError
from search.models import Collection
from search.selectors import logged_queries
from search.services import collections, configuration, folders, gating, opening, relevance
from search.services.configuration import Configuration
from search.services.contents import passages_of
from search.services.problems import translated
from search.services.publishing import Outcome, Said, publish, registered

#: Shares of a run's progress.
BUILT, JUDGED, STORED = 0.80, 0.86, 0.95
#: Documents read from the database at once.
PAGE = 200
EVALUATION = "evaluation.json"
BINARY, JSON = "application/octet-stream", "application/json"
#: Ours, measured on Korean manuals: bytes of an index for each character, vectors included.
BYTES_PER_CHAR = 12


def build(ctx: RunContext, name: str) -> dict[str, Any]:
    """Build, judge and register one version, and put it live where that needs nobody.

    Parameters
    ----------
    ctx
        The run; its seed decides every draw.
    name
        Of the collection.

    Returns
    -------
    dict
        ``outcome`` (see :class:`search.services.publishing.Outcome`), ``reason``, figures.

    Raises
    ------
    NotFound
        When the collection is gone.
    InvalidInput
        When its documents or options cannot be indexed.
    OutOfSpace, Unavailable
        When the disk is full, or memory or an embedding endpoint is short for long.
    """
    collection = collections.get(name)
    version = ModelVersion.objects.filter(run=ctx.run_id).select_related("model").first()
    if version is None:
        if not collection.documents.present().exists():
            reason = _("The collection holds no document: there is nothing to index.")
            return _result(Said(Outcome.SKIPPED, reason), None)
        version = _built(ctx, collection)
    else:
        ctx.log(_("%(version)s is built already; going on.") % {"version": version})
    ctx.progress(STORED, _("gate"), _("Comparing %(v)s with the live index.") % {"v": version})
    said = publish(ctx, version)
    ctx.progress(1.0, _("done"), said.reason)
    return _result(said, version)


def _result(said: Said, version: ModelVersion | None) -> dict[str, Any]:
    result: dict[str, Any] = {"outcome": said.outcome.value, "reason": said.reason}
    if version is not None:
        figures = ("n_passages", "n_documents", "size_bytes", "validation", "relevance")
        result |= {"model": version.model.name, "version": version.number}
        result |= {key: version.evaluation[key] for key in figures}
    return result


def _built(ctx: RunContext, collection: Collection) -> ModelVersion:
    through = collection.sequence
    settings = configuration.parse(collection.options)
    with folders.building(ctx.run_id) as parent:
        folder = parent / "index"
        try:
            _check_room(collection, parent)
            manifest = _build_folder(ctx.portion(0.0, BUILT), collection, settings, folder)
            asked, achieved = _ask(ctx.portion(BUILT, JUDGED), collection, settings, folder)
        except EngineError as exc:
            raise translated(exc) from exc
        except OSError as exc:
            if exc.errno in FULL_ERRNOS:
                raise _no_room() from exc
            raise
        stored = _store(ctx.portion(JUDGED, STORED), folder, manifest)
    evaluation_file = ctx.save_artifact(EVALUATION, gating.frozen(asked), JSON)
    model = registered(collection)
    with ctx.fenced() as run:
        frozen = registry.freeze_evaluation_set(
            model=model,
            artifact=evaluation_file,
            n_rows=len(asked),
            dataset_fingerprint=settings.digest,
            description=_("Queries of “%(name)s”.") % {"name": collection.name},
        )
        version = registry.register_version(
            model=model,
            run=run,
            artifacts=stored,
            evaluation_set=frozen,
            dataset_fingerprint=settings.digest,
            lineage={"collection": collection.name, "through": through},
            signature={},
            evaluation=_evaluation(manifest, achieved),
            settings={
                "collection": collection.name,
                "through": through,
                "cutting": settings.to_dict()["cutting"],
                "configuration": settings.digest,
                "options": settings.to_dict(),
            },
            card=_card(collection, manifest),
            is_synthetic=False,
        )
        _keep_relevance(collection, version, asked, achieved, run)
    return version


def _keep_relevance(
    collection: Collection,
    version: ModelVersion,
    asked: list[gating.Asked],
    achieved: gating.Achieved,
    run: Run,
) -> None:
    """Keep how the new version answers the judged queries beside how older ones did."""
    figures = achieved.means(gating.JUDGED)
    if figures is None:
        return
    n_judged = int(figures.pop("n"))
    digest = gating.judged_digest(asked)
    relevance.keep(collection, version, digest, figures | {"n_judged": n_judged}, run)


def _build_folder(
    ctx: RunContext, collection: Collection, settings: Configuration, folder: Path
) -> Manifest:
    phases = {
        "reading": _("Reading the documents."),
        "embedder": _("Learning the embedder."),
        "vectors": _("Making vectors."),
        "graph": _("Indexing vectors."),
        "validation": _("Asking the finished files held queries."),
        "manifest": _("Writing the manifest."),
    }

    def tell(fraction: float, phase: str, message: str) -> None:
        if message == WAITED:
            ctx.log(_("The build waited until the machine had memory again."), level="warning")
        ctx.progress(fraction, phase, phases.get(phase, ""))

    n_chars = collection.documents.present().aggregate(n=Sum("n_chars"))["n"] or 0
    manifest = build_folder(
        stream(collection, settings),
        folder,
        settings.build,
        tell,
        ctx.check,
        n_expected=max(1, n_chars // settings.cutting.target_chars),
        credentials=opening.credentials(),
        queries=[one.query for one in logged_queries(collection)],
    )
    ctx.log(
        _("%(passages)d passages of %(documents)d documents are indexed.")
        % {"passages": manifest.n_passages, "documents": manifest.n_documents},
        validation=manifest.validation,
    )
    return manifest


def stream(collection: Collection, settings: Configuration) -> Iterator[Passage]:
    """Yield the passages of all documents, a page of documents in memory at a time.

    What changes meanwhile has a later sequence and is applied again by whoever opens the index.
    """
    last = 0
    while True:
        rows = list(collection.documents.present().filter(pk__gt=last).order_by("pk")[:PAGE])
        if not rows:
            return
        for row in rows:
            yield from passages_of(row, settings.cutting)
        last = rows[-1].pk


def _ask(
    ctx: RunContext, collection: Collection, settings: Configuration, folder: Path
) -> tuple[list[gating.Asked], gating.Achieved]:
    champion = selectors.champion(collection.model_name)
    known = int(champion.settings["through"]) if champion is not None else collection.sequence
    asked = gating.queries_of(
        collection,
        through=min(known, collection.sequence),
        cutting=settings.cutting,
        generator=np.random.default_rng(ctx.seed),
    )
    ctx.progress(0.0, _("queries"), _("Asking %(count)d queries.") % {"count": len(asked)})
    index = open_index(folder, verify_files=False, credentials=opening.credentials())
    try:
        return asked, gating.ask(index, asked, gating.own_options(collection), ctx.check)
    finally:
        index.close()


def _store(ctx: RunContext, folder: Path, manifest: Manifest) -> dict[str, Any]:
    names = sorted([*manifest.files, "manifest.json"])
    stored = {}
    for place, name in enumerate(names):
        ctx.progress(place / len(names), _("store"), _("Storing the files of the index."))
        media_type = JSON if name.endswith(".json") else BINARY
        stored[name] = ctx.save_artifact(f"index/{name}", folder / name, media_type)
    return stored


def _evaluation(manifest: Manifest, achieved: gating.Achieved) -> dict[str, Any]:
    return {
        "n_passages": manifest.n_passages,
        "n_documents": manifest.n_documents,
        "size_bytes": manifest.size_bytes,
        "dimensions": manifest.dimensions,
        "n_queries": manifest.queries.get("n", 0),
        "tokenizer": manifest.tokenizer,
        "embedder": (manifest.embedder or {}).get("name"),
        "validation": manifest.validation,
        "relevance": gating.report(achieved),
        "cpu_s": manifest.cpu_s,
        "timings_s": manifest.timings_s,
        "made_with": manifest.made_with,
    }


def _card(collection: Collection, manifest: Manifest) -> str:
    embedder = (manifest.embedder or {}).get("name") or "-"
    return "\n".join(
        (
            f"# {collection.title}",
            "",
            f"- {manifest.n_passages} passages of {manifest.n_documents} documents",
            f"- tokenizer {manifest.tokenizer}, embedder {embedder}, "
            f"{manifest.dimensions} dimensions",
            f"- recall@10 against exact search: {manifest.validation.get('recall_at_10', '-')}",
        )
    )


def _check_room(collection: Collection, folder: Path) -> None:
    """Refuse a build that the disk has no room for, before it has filled it."""
    figures = collection.documents.present().aggregate(n=Count("pk"), n_chars=Sum("n_chars"))
    needed = (figures["n_chars"] or 0) * BYTES_PER_CHAR + figures["n"] * 4096
    if shutil.disk_usage(folder).free < needed:
        raise _no_room()


def _no_room() -> OutOfSpace:
    return OutOfSpace(
        _("The disk has no room for the new index: free some space, then build again.")
    )

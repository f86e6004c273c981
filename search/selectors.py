"""How collections stand: reads over documents, index versions, checks and what is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from portal.core.errors import Unavailable
from portal.registry import services as registry
from portal.registry.models import Alias, AliasAssignment, ModelVersion
from portal.runs import artifacts
from portal.runs.models import Run, State
from search.models import Collection, Document, RelevanceCheck, SearchRecord

if TYPE_CHECKING:
    from search.engine.embedders.contract import Vectors

BUILD_INDEX = "search.build_index"
MANIFEST = "manifest.json"
#: The latest queries that are kept beside an index, and looked at after it went live.
MOST_QUERIES = 4_000
#: How the files of the embedder that an index learnt itself begin.
EMBEDDER_PREFIX = "lsa-"


@dataclass(frozen=True)
class CollectionState:
    """One collection and its live index.

    Attributes
    ----------
    n_documents
        Those that are not deleted.
    n_changed
        Documents that came, changed or went since the live index was built; all without one.
    version
        The live index, None without one.
    building
        A build that waits or works.
    """

    name: str
    title: str
    n_documents: int
    n_changed: int
    sequence: int
    version: ModelVersion | None = None
    building: Run | None = None

    @property
    def n_passages(self) -> int | None:
        """Passages of the live index as it was built."""
        return self.version.evaluation.get("n_passages") if self.version else None

    @property
    def size_bytes(self) -> int | None:
        """Size of the files of the live index."""
        return self.version.evaluation.get("size_bytes") if self.version else None

    @property
    def built_at(self) -> datetime | None:
        """When the live index was made."""
        return self.version.created_at if self.version else None


def overview() -> list[CollectionState]:
    """Return the state of every collection, by name."""
    return _states(list(Collection.objects.order_by("name")))


def of(collection: Collection) -> CollectionState:
    """Return the state of one collection."""
    return _states([collection])[0]


def live_numbers() -> list[tuple[Collection, int]]:
    """Return the collections that have a live index, and its number; two quick queries."""
    rows = {one.model_name: one for one in Collection.objects.order_by("name")}
    live = AliasAssignment.objects.filter(model__name__in=rows, alias=Alias.CHAMPION)
    numbers = live.values_list("model__name", "version__number")
    return [(rows[name], number) for name, number in numbers]


def versions(collection: Collection) -> QuerySet[ModelVersion]:
    """Return the index versions of a collection, newest first."""
    rows = ModelVersion.objects.filter(model__name=collection.model_name)
    return rows.select_related("model").order_by("-number")


def taxonomy(collection: Collection) -> list[tuple[str, int]]:
    """Return every path and how many documents lie exactly at it, by path."""
    rows = Document.objects.present().filter(collection=collection).exclude(taxonomy="")
    counted = rows.order_by().values("taxonomy").annotate(n=Count("pk"))
    return list(counted.order_by("taxonomy").values_list("taxonomy", "n"))


def quality_over_time(collection: Collection) -> QuerySet[RelevanceCheck]:
    """Return the relevance checks of a collection, newest first."""
    rows = RelevanceCheck.objects.filter(collection=collection)
    return rows.select_related("version").order_by("-at", "-pk")


@dataclass(frozen=True)
class LoggedQuery:
    """One query that somebody asked."""

    at: datetime
    query: str


def live_indexes() -> list[tuple[Collection, AliasAssignment]]:
    """Return the collections that have a live index, with its version and since when it is live."""
    rows = {one.model_name: one for one in Collection.objects.order_by("name")}
    live = AliasAssignment.objects.filter(alias=Alias.CHAMPION, model__name__in=rows)
    found = {one.version.model.name: one for one in live.select_related("version__model")}
    return [(row, found[name]) for name, row in rows.items() if name in found]


def logged_queries(
    collection: Collection, *, since: datetime | None = None, most: int = MOST_QUERIES
) -> list[LoggedQuery]:
    """Return the latest queries of a collection's log, oldest first."""
    rows = SearchRecord.objects.filter(collection=collection)
    if since is not None:
        rows = rows.filter(at__gt=since)
    latest = rows.order_by("-at", "-id").values_list("at", "query")[:most]
    return [LoggedQuery(*one) for one in reversed(latest)]


def n_logged_queries(collection: Collection, *, since: datetime) -> int:
    """Return how many queries of a collection were logged after a moment."""
    return SearchRecord.objects.filter(collection=collection, at__gt=since).count()


def query_baseline(version: ModelVersion) -> "Vectors | None":
    """Return the vectors of queries asked before an index was built; None without any.

    Raises
    ------
    Corrupt
        When the file does not match its digest.
    """
    from search.engine import queries  # noqa: PLC0415 - NumPy stays out of most processes

    if queries.NAME not in version.artifact_digests:
        return None
    return queries.read(registry.read_artifact(version, queries.NAME))


def query_vectors(version: ModelVersion, texts: Sequence[str]) -> "Vectors":
    """Return texts as the embedder of an index sees them, float32 [n, dimensions].

    They are as precise as those of the baseline, so that equal queries have equal vectors. Only
    the embedder's own files are fetched; the index is not opened.

    Raises
    ------
    Corrupt
        When a file does not match its digest.
    Unavailable
        When the embedder cannot be asked.
    ValueError
        For an index without vectors.
    """
    from search.engine import queries  # noqa: PLC0415 - as above
    from search.engine.embedders import contract, factory  # noqa: PLC0415 - as above
    from search.engine.manifest import Manifest  # noqa: PLC0415 - as above
    from search.engine.problems import EngineError  # noqa: PLC0415 - as above
    from search.engine.tokenizers import tokenizer  # noqa: PLC0415 - as above

    key = settings.EMBEDDING_API_KEY
    with TemporaryDirectory() as name:
        folder = Path(name)
        for file, sha256 in version.artifact_digests.items():
            if file == MANIFEST or file.startswith(EMBEDDER_PREFIX):
                artifacts.fetch(sha256, folder / file)
        try:
            manifest = Manifest.read(folder)
            words = tokenizer(manifest.tokenizer)
            embedder = factory.stored(manifest, folder, words, {"api_key": key} if key else {})
            if embedder is None:
                raise ValueError(f"The index {version} has no vectors, so its queries have none.")
            return queries.rounded(contract.normalized(embedder.encode(list(texts))))
        except EngineError as exc:
            raise Unavailable(
                _("The embedder of %(version)s does not answer: %(reason)s")
                % {"version": version, "reason": exc}
            ) from exc


def _states(rows: Sequence[Collection]) -> list[CollectionState]:
    """Return states in five queries, however many collections there are."""
    keys = [row.pk for row in rows]
    present = Document.objects.present().filter(collection__in=keys)
    n_documents = _counted(present)
    live = _live(rows)
    since = Q(pk__in=())
    for row in rows:
        version = live.get(row.model_name)
        through = version.settings.get("through", 0) if version else 0
        since |= Q(collection=row.pk, sequence__gt=through)
    n_changed = _counted(Document.objects.filter(since))
    building = _building([row.name for row in rows])
    return [
        CollectionState(
            name=row.name,
            title=row.title,
            n_documents=n_documents.get(row.pk, 0),
            n_changed=n_changed.get(row.pk, 0),
            sequence=row.sequence,
            version=live.get(row.model_name),
            building=building.get(row.name),
        )
        for row in rows
    ]


def _counted(rows: QuerySet[Document]) -> dict[int, int]:
    counted = rows.order_by().values("collection").annotate(n=Count("pk"))
    return dict(counted.values_list("collection", "n"))


def _live(rows: Sequence[Collection]) -> dict[str, ModelVersion]:
    names = [row.model_name for row in rows]
    aliases = AliasAssignment.objects.filter(alias=Alias.CHAMPION, model__name__in=names)
    return {one.version.model.name: one.version for one in aliases.select_related("version__model")}


def _building(names: Sequence[str]) -> dict[str, Run]:
    runs = Run.objects.filter(
        kind=BUILD_INDEX,
        state__in=[State.QUEUED, State.RUNNING],
        parameters__collection__in=list(names),
    )
    return {run.parameters["collection"]: run for run in runs.order_by("-created_at")}

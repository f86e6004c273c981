"""How collections stand: reads over documents, index versions and checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from portal.registry.models import Alias, AliasAssignment, ModelVersion
from portal.runs.models import Run, State
from search.models import Collection, Document, RelevanceCheck

BUILD_INDEX = "search.build_index"


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

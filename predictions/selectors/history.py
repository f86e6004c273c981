"""Recorded predictions of the quality model in a span of time: by day, by product, row by row."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import CharField, Count, F, FloatField, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, TruncDay

from predictions.engine.features import FAMILY
from predictions.models import Outcome, Prediction

DEFAULT_SPAN = timedelta(days=30)
#: Sums go over the latest so many; more take longer than a page may. Ours.
MOST_SUMMED = 200_000
N_PRODUCTS = 30
PRODUCT = "Product_Type"
_IS_DEFECT = Q(predicted_class=Prediction.Label.DEFECT)


@dataclass(frozen=True)
class Wanted:
    """Which predictions.

    Attributes
    ----------
    since, until : datetime
        Of the predictions, the end not included.
    label, confidence : str
        Values of the model's choices; empty for all.
    product : float or None
        Product type; None for all.
    version : int or None
        Number of the version; None for all.
    """

    since: datetime
    until: datetime
    label: str = ""
    confidence: str = ""
    product: float | None = None
    version: int | None = None


@dataclass(frozen=True)
class Part:
    """Shots of one day, or of one product."""

    key: date | float | None
    n: int
    n_defects: int

    @property
    def share(self) -> float:
        """Share that was called a defect."""
        return self.n_defects / self.n


@dataclass(frozen=True)
class Summary:
    """Predictions by day and by product.

    Attributes
    ----------
    n, n_defects : int
    days : list of Part
        In order, without days that have none.
    products : list of Part
        The most frequent first.
    since : datetime or None
        When the first prediction summed was made, if there were more than can be summed.
    """

    n: int
    n_defects: int
    days: list[Part]
    products: list[Part]
    since: datetime | None

    @property
    def share(self) -> float | None:
        """Share that was called a defect; None without any."""
        return self.n_defects / self.n if self.n else None


def matching(wanted: Wanted) -> QuerySet[Prediction]:
    """Select predictions, the latest first."""
    rows = Prediction.objects.filter(
        version__model__name=FAMILY, at__gte=wanted.since, at__lt=wanted.until
    )
    if wanted.label:
        rows = rows.filter(predicted_class=wanted.label)
    if wanted.confidence:
        rows = rows.filter(confidence=wanted.confidence)
    if wanted.product is not None:
        rows = rows.filter(**{f"features__{PRODUCT}": wanted.product})
    if wanted.version is not None:
        rows = rows.filter(version__number=wanted.version)
    return rows.order_by("-at", "-id")


def summary(wanted: Wanted) -> Summary:
    """Sum predictions up by day, in the plant's time zone, and by product."""
    rows = matching(wanted)
    cut = rows.values_list("at", flat=True)[MOST_SUMMED : MOST_SUMMED + 1].first()
    if cut is not None:
        rows = rows.filter(at__gt=cut)
    product = Cast(KeyTextTransform(PRODUCT, "features"), FloatField())
    days = _parts(rows.annotate(key=TruncDay("at")))
    products = _parts(rows.annotate(key=product))
    days.sort(key=lambda part: str(part.key))
    products.sort(key=lambda part: -part.n)
    return Summary(
        n=sum(part.n for part in days),
        n_defects=sum(part.n_defects for part in days),
        days=[Part(_date(part.key), part.n, part.n_defects) for part in days],
        products=products[:N_PRODUCTS],
        since=cut,
    )


def page(wanted: Wanted, *, before: UUID | None, limit: int) -> list[Prediction]:
    """Return the latest predictions, or those older than one, with what became of them."""
    rows = with_outcomes(matching(wanted)).select_related("version__model")
    known = Prediction.objects.filter(pk=before).first() if before else None
    if known is not None:
        rows = rows.filter(Q(at__lt=known.at) | Q(at=known.at, pk__lt=known.pk))
    return list(rows[:limit])


def with_outcomes(rows: QuerySet[Prediction]) -> QuerySet[Prediction]:
    """Add the last word on each shot as `outcome`, None where nothing was reported."""
    said = Outcome.objects.current().filter(prediction=OuterRef("pk")).values("label")[:1]
    return rows.annotate(outcome=Subquery(said, output_field=CharField()))


def exported(wanted: Wanted, *, limit: int) -> Iterator[Prediction]:
    """Yield the latest predictions one by one, for a file."""
    rows = with_outcomes(matching(wanted)).annotate(number=F("version__number")).defer("latent")
    yield from rows[:limit].iterator(chunk_size=1_000)


def _parts(rows: Any) -> list[Part]:
    """Sum rows up by their annotation `key`."""
    summed = (
        rows.order_by()
        .values("key")
        .annotate(n=Count("pk"), n_defects=Count("pk", filter=_IS_DEFECT))
        .values_list("key", "n", "n_defects")
    )
    return [Part(*row) for row in summed]


def _date(moment: object) -> date | None:
    return moment.date() if isinstance(moment, datetime) else None

"""What each source sent and what data sets hold, for those who watch the quality of data."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count, Max

from predictions.models import Dataset, Prediction


@dataclass(frozen=True)
class Sent:
    """How much a source sent in a span.

    Attributes
    ----------
    source : str
        Who asked: ``key:7`` or ``user:3``.
    n_rows : int
    last_at : datetime or None
        None when nothing came.
    """

    source: str
    n_rows: int = 0
    last_at: datetime | None = None


def sent(model_name: str, since: datetime, until: datetime) -> list[Sent]:
    """Return what each source sent for a model in a span, by source."""
    rows = Prediction.objects.filter(version__model__name=model_name, at__gte=since, at__lt=until)
    counted = rows.order_by().values_list("principal").annotate(n=Count("pk"), last=Max("at"))
    return [Sent(source, n, last) for source, n, last in sorted(counted)]


_FEATURES = """
    SELECT features::text FROM predictions_prediction
    WHERE principal = %s AND at >= %s AND at < %s AND version_id IN (
        SELECT version.id FROM registry_modelversion AS version
        JOIN registry_registeredmodel AS model ON model.id = version.model_id
        WHERE model.name = %s)
    ORDER BY at DESC, id DESC LIMIT %s
"""


def sent_features(
    model_name: str, source: str, since: datetime, until: datetime, most: int
) -> list[str]:
    """Return the features that a source sent in a span, as JSON, the latest ones."""
    with connection.cursor() as cursor:
        cursor.execute(_FEATURES, [source, since, until, model_name, most])
        return [text for (text,) in cursor.fetchall()]


@dataclass(frozen=True)
class Held:
    """A data set, and what its profile says of its columns.

    Attributes
    ----------
    pk, name, kind, fingerprint
    n_rows : int
    n_copies : int
        Rows equal to an earlier one.
    created_at : datetime
    columns : list of dict
        Profiles of the numeric feature columns: ``name``, ``n_missing``, ``min``, ``max``.
    is_synthetic : bool
    """

    pk: int
    name: str
    kind: str
    fingerprint: str
    n_rows: int
    n_copies: int
    created_at: datetime
    columns: list[dict[str, Any]]
    is_synthetic: bool


def datasets_after(pk: int, most: int) -> Iterator[Held]:
    """Yield data sets with a profile of columns that came after one, in the order they came."""
    rows = Dataset.objects.filter(pk__gt=pk).order_by("pk")[:most]
    for row in rows:
        profile = row.profile or {}
        columns = [
            {name: column.get(name) for name in ("name", "n_missing", "min", "max")}
            for column in profile.get("columns") or []
            if isinstance(column, dict) and column.get("role") == "feature"
        ]
        yield Held(
            pk=row.pk,
            name=row.name,
            kind=row.kind,
            fingerprint=row.fingerprint,
            n_rows=row.n_rows,
            n_copies=int((profile.get("checks") or {}).get("n_copies") or 0),
            created_at=row.created_at,
            columns=columns,
            is_synthetic=row.is_synthetic,
        )

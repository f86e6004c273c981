"""Score what others answered by the version in the shadow, away from every answer.

A thread of the recorder follows the table of predictions by their time. So it sees what came
through the stream and what was inserted directly, holds nothing but one page of rows, and falls
behind when it must without anybody waiting for it. Each shot is scored once a version, however
often its row is met; of several recorders one does the work.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from django.db import Error as DatabaseError
from django.db import connection
from django.utils.translation import gettext as _

from portal.core import alerts
from portal.core.errors import Corrupt, PortalError
from portal.lib import clock
from portal.registry.models import Alias, AliasAssignment
from predictions.engine.validate import validate
from predictions.models import Prediction
from predictions.services import serving
from predictions.services.models import FAMILY_NAME
from predictions.services.serving import Held

log = structlog.get_logger(__name__)

#: Rows scored at a time: about 1 MB of features.
PAGE = 1_000
PAUSE_S = 0.5
#: A row becomes visible later than the moment it carries; this far back is looked again.
OVERLAP = timedelta(seconds=10)
#: How far back a recorder looks when it starts.
LOOK_BACK = timedelta(hours=1)
#: A version that cannot be loaded or run is tried again this often.
RETRY_S = 30.0
#: Of the lock in Postgres that one recorder holds; any number that nobody else uses.
LOCK = 7_215_300_114

_TAKE = """
    SELECT prediction.id, prediction.at, prediction.features::text
    FROM predictions_prediction AS prediction
    JOIN registry_modelversion AS answered ON answered.id = prediction.version_id
    WHERE prediction.at >= %(since)s AND answered.model_id = %(model)s
      AND prediction.version_id <> %(version)s
      AND NOT EXISTS (
          SELECT FROM predictions_shadowscore AS score
          WHERE score.prediction_id = prediction.id AND score.version_id = %(version)s)
    ORDER BY prediction.at, prediction.id
    LIMIT %(most)s
"""
_KEEP = """
    INSERT INTO predictions_shadowscore
        (prediction_id, version_id, at, probability, predicted_class)
    SELECT id, %s, at, probability, predicted_class
    FROM unnest(%s::uuid[], %s::timestamptz[], %s::float8[], %s::text[])
        AS score (id, at, probability, predicted_class)
    ON CONFLICT (prediction_id, version_id) DO NOTHING
"""

Row = tuple[Any, datetime, str]
Score = tuple[float | None, str]


@dataclass
class _Follower:
    """How far one version in the shadow has come."""

    held: Held
    model_id: int
    since: datetime

    def turn(self) -> int:
        """Score one page; return how many rows that were."""
        rows = self._take()
        if rows:
            self._keep(rows, _scores(self.held, [row[2] for row in rows]))
        if len(rows) == PAGE:
            self.since = rows[-1][1]
        else:
            self.since = max(self.since, clock.now() - OVERLAP)
        return len(rows)

    def _take(self) -> list[Row]:
        words: dict[str, Any] = {
            "since": self.since,
            "model": self.model_id,
            "version": self.held.version_id,
            "most": PAGE,
        }
        with connection.cursor() as cursor:
            cursor.execute(_TAKE, words)
            rows: list[Row] = cursor.fetchall()
        return rows

    def _keep(self, rows: Sequence[Row], scores: Sequence[Score]) -> None:
        columns = [*zip(*(row[:2] for row in rows), strict=True), *zip(*scores, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(_KEEP, [self.held.version_id, *map(list, columns)])


def _scores(held: Held, features: Sequence[str]) -> list[Score]:
    """Return probability and class of shots, None and nothing for those the version refuses."""
    model = held.model
    shots = [msgspec.json.decode(text) for text in features]
    fits = [True] * len(shots)
    if not validate(shots, model.signature).is_valid:
        fits = [validate([shot], model.signature).is_valid for shot in shots]
    good = [shot for shot, fit in zip(shots, fits, strict=True) if fit]
    if not good:
        return [(None, "")] * len(shots)
    probability, _latent = model.predict(validate(good, model.signature).matrix)
    called = model.decide(probability).tolist()
    words = [Prediction.Label.DEFECT.value if one else Prediction.Label.OK.value for one in called]
    said = iter(zip(probability.astype(float).tolist(), words, strict=True))
    return [next(said) if fit else (None, "") for fit in fits]


class Shadows:
    """All versions in the shadow, scored by one thread beside the recorder."""

    def __init__(self) -> None:
        self._followers: dict[int, _Follower] = {}
        self._resting: dict[int, float] = {}
        self._late: datetime | None = None
        self._thread: threading.Thread | None = None

    def start(self, stop: threading.Event) -> None:
        """Follow the table in a thread until `stop` is set."""
        self._thread = threading.Thread(target=self._run, args=[stop], name="shadows", daemon=True)
        self._thread.start()

    def join(self, timeout_s: float = 5.0) -> None:
        """Wait for the thread to end."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def came_late(self, at_s: float) -> None:
        """Note that a row was written that carries this moment: a follower may be past it."""
        moment = datetime.fromtimestamp(at_s, tz=clock.now().tzinfo)
        if self._late is None or moment < self._late:
            self._late = moment

    def turn(self) -> int:
        """Score one page for every version in the shadow; return how many rows that were.

        Raises
        ------
        django.db.DatabaseError
            When Postgres does not answer.
        """
        late, self._late = self._late, None
        assigned = AliasAssignment.objects.filter(
            alias=Alias.SHADOW, model__family=FAMILY_NAME
        ).select_related("version__model")
        wanted = {one.version_id: one for one in assigned}
        self._followers = {pk: one for pk, one in self._followers.items() if pk in wanted}
        n_rows = 0
        for pk, assignment in wanted.items():
            if self._resting.get(pk, 0.0) > time.monotonic():
                continue
            try:
                n_rows += self._follow(assignment, late)
            except DatabaseError:
                raise
            except Exception as exc:  # noqa: BLE001 - whatever is wrong with it, it is only a shadow
                self._rest(assignment, exc)
        return n_rows

    def _follow(self, assignment: AliasAssignment, late: datetime | None) -> int:
        version = assignment.version
        follower = self._followers.get(version.pk)
        if follower is None:
            since = max(assignment.since, clock.now() - LOOK_BACK)
            follower = _Follower(serving.load(version), version.model_id, since)
            self._followers[version.pk] = follower
            alerts.resolve_alert(_alert_key(assignment))
        elif late is not None and late < follower.since:
            follower.since = max(late, assignment.since)
        return follower.turn()

    def _rest(self, assignment: AliasAssignment, exc: Exception) -> None:
        version = assignment.version
        self._followers.pop(version.pk, None)
        self._resting[version.pk] = time.monotonic() + RETRY_S
        if not isinstance(exc, PortalError):
            log.error("shadow_not_scored", version=version.number, exc_info=exc)
        alerts.raise_alert(
            _alert_key(assignment),
            "warning",
            lambda: (
                _(
                    "Version %(number)d of %(model)s is in the shadow but cannot score: %(reason)s "
                    "Restore its file or take it out of the shadow."
                )
                % {
                    "number": version.number,
                    "model": version.model.name,
                    "reason": exc if isinstance(exc, Corrupt) else repr(exc)[:300],
                }
            ),
        )

    def _run(self, stop: threading.Event) -> None:
        has_lock = False
        while not stop.is_set():
            n_rows = 0
            try:
                has_lock = has_lock or _try_lock()
                n_rows = self.turn() if has_lock else 0
            except DatabaseError as exc:
                log.warning("shadows_wait", error=str(exc))
                connection.close()
                has_lock = False
            if n_rows < PAGE:
                stop.wait(PAUSE_S)
        connection.close()  # and with it the lock goes


def _alert_key(assignment: AliasAssignment) -> str:
    return f"predictions.shadow.{assignment.model_id}"


def _try_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        (taken,) = cursor.fetchone()
    return bool(taken)

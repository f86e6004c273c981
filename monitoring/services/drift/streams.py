"""The streams that the counting process holds in memory."""

import time
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

import structlog

from monitoring.engine.looks import N_LEADING
from monitoring.models import DriftBlock, DriftPolicy, DriftWindow
from monitoring.services.drift import policies, references
from monitoring.services.drift.series import Changes, Series
from monitoring.services.drift.slices import MOST_SLICES, Slicer
from monitoring.services.drift.storage import unpack_rows
from portal.registry.models import Alias, AliasAssignment, ModelVersion

log = structlog.get_logger(__name__)

#: How often is asked which versions are live.
RENEW_S = 2.0


class Watched:
    """What is known of a version while it is counted."""

    def __init__(self, version: ModelVersion) -> None:
        self.version = version
        self.policy: DriftPolicy = policies.policy_of(version.model)
        self.names = references.feature_names(version)
        self.slicer = Slicer(self.policy.slicings)
        slices = DriftWindow.objects.filter(version=version).exclude(slice="")
        self.slices = set(slices.values_list("slice", flat=True))
        self._pick: Any = itemgetter(*self.names) if len(self.names) > 1 else None

    def values(self, features: dict[str, Any]) -> Sequence[Any]:
        """Return the features of one prediction in order, None for what is missing."""
        if self._pick is not None:
            try:
                picked: Sequence[Any] = self._pick(features)
            except KeyError:
                return [features.get(name) for name in self.names]
            return picked
        return [features.get(name) for name in self.names]

    def admits(self, name: str) -> bool:
        """Whether a slice is watched; the first so many of a version are."""
        if name in self.slices:
            return True
        if len(self.slices) >= MOST_SLICES:
            return False
        self.slices.add(name)
        return True


class Streams:
    """Versions and their windows, read when they are first needed."""

    def __init__(self) -> None:
        self._watched: dict[int, Watched | None] = {}
        self._series: dict[tuple[int, str], Series] = {}
        self._touched: dict[tuple[int, str], Series] = {}
        self._live_since: dict[int, datetime] = {}
        self._due = 0.0

    def forget(self) -> None:
        """Know nothing any more: somebody else wrote, or a turn failed."""
        self._watched.clear()
        self._series.clear()
        self._touched.clear()
        self._due = 0.0

    def renew(self) -> None:
        """Ask which versions are live since when, unless that was done a moment ago."""
        if time.monotonic() < self._due:
            return
        champions = AliasAssignment.objects.filter(alias=Alias.CHAMPION)
        self._live_since = dict(champions.values_list("version_id", "since"))
        self._due = time.monotonic() + RENEW_S

    def watched(self, version_id: int) -> Watched | None:
        """Return what is known of a version; None when there is no such version any more."""
        if version_id not in self._watched:
            version = ModelVersion.objects.select_related("model").filter(pk=version_id).first()
            if version is None:
                log.warning("predictions_of_no_version", version_id=version_id)
            self._watched[version_id] = Watched(version) if version else None
        return self._watched[version_id]

    def series(self, watched: Watched, name: str) -> Series:
        """Return the stream of a version or of a slice, ready to count in this turn."""
        key = (watched.version.pk, name)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = self._loaded(watched, name)
        since = self._live_since.get(watched.version.pk)
        if since is not None and since > series.row.since:
            series.start_anew(since)
        self._touched[key] = series
        return series

    def touched(self) -> list[Series]:
        """Return the streams of this turn."""
        return list(self._touched.values())

    def settle(self) -> None:
        """Let the next turn begin: what this one changed is written."""
        for series in self._touched.values():
            series.changes = Changes()
        self._touched.clear()

    def _loaded(self, watched: Watched, name: str) -> Series:
        version, policy = watched.version, watched.policy
        row = DriftWindow.objects.filter(version=version, slice=name).first()
        if row is None:
            row = self._created(version, policy, name)
        elif row.window != policy.window:
            relearn(row, policy.window)
        whole = row if not name else self.series(watched, "").row
        series = Series(row, policy, version, whole.values_per_month)
        blocks = DriftBlock.objects.filter(window=row).order_by("number")
        n_whole = row.n_kept // series.schedule.step
        width = N_LEADING + len(watched.names)
        steps = [
            unpack_rows(bytes(block.rows), width) for block in blocks if block.number < n_whole
        ]
        rest = [
            unpack_rows(bytes(block.rows), width) for block in blocks if block.number == n_whole
        ]
        series.restore(steps[-series.schedule.n_steps :], rest[0] if rest else series.sliding.rest)
        return series

    def _created(self, version: ModelVersion, policy: DriftPolicy, name: str) -> DriftWindow:
        row = DriftWindow(version=version, slice=name, window=policy.window)
        reference = None if name else references.trained(version)
        if reference is not None:
            row.reference = reference.to_dict()
            row.source = DriftWindow.Source.TRAINING
        row.save(force_insert=True)
        return row


def relearn(row: DriftWindow, window: int) -> None:
    """Forget what a window held and learnt, and let it begin with another size."""
    DriftBlock.objects.filter(window=row).delete()
    row.past.all().delete()
    row.window, row.n_kept, row.n_past = window, 0, 0
    row.calibration, row.is_calibrated, row.calibrated_at, row.latest = None, False, None, None
    if row.slice:
        row.reference, row.source = None, ""
    row.save()

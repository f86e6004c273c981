"""After an option set went live: watched by readings, taken back by the portal when it is worse.

The bound is what the proof promised: the rate under the previous set, times the lower end of the
proven ratio, less a margin. Called through :mod:`portal.registry.hooks` under the model's lock.
"""

import statistics
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from portal.core import alerts
from portal.core.actors import Actor
from portal.core.errors import Conflict, Corrupt, InvalidInput
from portal.lib import clock
from portal.registry import services as registry
from portal.registry.models import Alias, AliasMove, ModelVersion
from tuning.models import OptionReading, OptionWatch
from tuning.services import targets

PORTAL = Actor.system("millwright")
#: Ours: fewer readings under the previous set say less than the pairs of the proof.
LEAST_BEFORE, MOST_BEFORE = 10, 10_000
DAY = timedelta(days=1)
State = OptionWatch.State


def refuse(version: ModelVersion) -> None:
    """Refuse to apply an option set while its target rests or was changed often enough.

    Raises
    ------
    Conflict
        Within the cooldown after an automatic return, or beyond the limit of applies a day.
    """
    target, now = str(version.settings.get("target", "")), clock.now()
    hold("tuning.applies", target)
    returned = OptionWatch.objects.filter(
        target=target, state=State.RETURNED, ended_at__gt=now - settings.OPTION_COOLDOWN
    ).order_by("-ended_at")
    last = returned.first()
    if last is not None and last.ended_at is not None:
        raise Conflict(
            _(
                "The portal took %(version)s of the target “%(target)s” back at %(at)s; for "
                "%(hours)g hours nothing is applied to it. Wait until %(until)s."
            )
            % {
                "version": last.version,
                "target": target,
                "at": _minute(last.ended_at),
                "hours": settings.OPTION_COOLDOWN / timedelta(hours=1),
                "until": _minute(last.ended_at + settings.OPTION_COOLDOWN),
            },
            code="cooldown",
        )
    began = list(
        OptionWatch.objects.filter(target=target, began_at__gt=now - DAY)
        .order_by("-began_at")
        .values_list("began_at", flat=True)
    )
    if len(began) >= settings.OPTION_APPLIES:
        raise Conflict(
            _(
                "The options of the target “%(target)s” were changed %(n)d times within 24 hours; "
                "%(most)d are allowed. Wait until %(until)s."
            )
            % {
                "target": target,
                "n": len(began),
                "most": settings.OPTION_APPLIES,
                "until": _minute(began[settings.OPTION_APPLIES - 1] + DAY),
            },
            code="applies_spent",
        )


def follow(row: AliasMove) -> None:
    """End the watch over what was live and begin one over what is, as the champion moves."""
    by_itself = row.kind == AliasMove.Kind.ROLLBACK and row.actor_id is None
    state = State.RETURNED if by_itself else State.REPLACED
    OptionWatch.objects.filter(version__model=row.model, state=State.WATCHING).update(
        state=state, reason=row.reason, ended_at=clock.now()
    )
    if row.to_version is not None and row.kind != AliasMove.Kind.ROLLBACK:
        _begin(row.to_version, row.from_version)


def _begin(version: ModelVersion, previous: ModelVersion | None) -> OptionWatch:
    target = str(version.settings.get("target", ""))
    prefix = f"tuned-{target}-"
    workload = str(version.settings.get("workload") or version.model.name.removeprefix(prefix))
    now = clock.now()
    watch = OptionWatch(
        version=version,
        previous=previous,
        target=target,
        workload=workload,
        margin=settings.OPTION_MARGIN,
        n_needed=settings.OPTION_BREACHES,
        window_s=int(settings.OPTION_WATCH.total_seconds()),
        began_at=now,
    )
    _set_bound(watch, version)
    if watch.bound is None:
        watch.state, watch.ended_at = State.UNREADABLE, now
        watch.reason = _(
            "The proof of this version names no figure that readings could be held to."
        )
    watch.save(force_insert=True)
    alerts.resolve_alert(_key(watch))
    return watch


def _set_bound(watch: OptionWatch, version: ModelVersion) -> None:
    metrics: Mapping[str, Any] = version.evaluation.get("metrics") or {}
    try:
        known = {one.name: one for one in targets.get(watch.target).metrics()}
    except InvalidInput:
        return
    watch.metric = str(version.settings.get("metric") or next(iter(known), ""))
    medians = metrics.get(watch.metric) or {}
    low = (version.evaluation.get("proof") or {}).get("low")
    metric = known.get(watch.metric)
    if metric is None or not low or not medians.get("current"):
        return
    watch.is_higher_better = metric.direction == "higher"
    watch.base = float(medians["current"])
    before = _before(watch)
    if before is not None:
        watch.base, watch.base_from = before, OptionWatch.Base.READINGS
    watch.proven = float(low)
    if watch.is_higher_better:
        watch.bound = watch.base * watch.proven * (1 - watch.margin)
    else:
        watch.bound = watch.base / watch.proven * (1 + watch.margin)


def _before(watch: OptionWatch) -> float | None:
    """Return the median of the instance's own readings under the previous set, if they suffice."""
    since = watch.began_at - timedelta(seconds=watch.window_s)
    moves = AliasMove.objects.filter(to_version=watch.previous, alias=Alias.CHAMPION)
    last = moves.order_by("-pk").first() if watch.previous else None
    found = OptionReading.objects.filter(
        target=watch.target,
        workload=watch.workload,
        at__gt=max(since, last.at) if last else since,
        at__lte=watch.began_at,
    ).order_by("-at")
    rates = list(found.values_list("rate", flat=True)[:MOST_BEFORE])
    median = statistics.median(rates) if len(rates) >= LEAST_BEFORE else 0.0
    return median or None


def weigh(target: str, workload: str) -> OptionWatch | None:
    """Hold the readings that came since against the bound; return the watch that is on, if any.

    Each reading is weighed once, in the order of time; one that comes late is kept, not weighed.
    """
    with transaction.atomic():
        watch = (
            OptionWatch.objects.select_for_update(no_key=True)
            .filter(target=target, workload=workload, state=State.WATCHING)
            .first()
        )
        if watch is None:
            return None
        found = OptionReading.objects.filter(
            target=target,
            workload=workload,
            at__gt=watch.read_to or watch.began_at,
            at__lte=watch.ends_at,
        ).order_by("at")
        for at, rate in found.values_list("at", "rate").iterator():
            if watch.is_breached:
                break
            _count(watch, at, rate)
        watch.save(update_fields=["n_breaches", "n_readings", "read_to", "last_rate"])
    if watch.is_breached:
        go_back(watch)
        watch.refresh_from_db()
    return watch


def _count(watch: OptionWatch, at: datetime, rate: float) -> None:
    bound = watch.bound or 0.0
    is_worse = rate < bound if watch.is_higher_better else rate > bound
    watch.n_breaches = watch.n_breaches + 1 if is_worse else 0
    watch.n_readings += 1
    watch.read_to, watch.last_rate = at, rate


def go_back(watch: OptionWatch) -> None:
    """Take a breached set off by the registry's own rollback; call it outside any transaction."""
    reason = _(
        "%(n)d readings in a row of %(metric)s beyond the bound %(bound).4g, the last %(rate).4g; "
        "the previous set had %(base).4g, proven were %(proven).3f times that, with a margin of "
        "%(margin).0f %%."
    ) % {
        "n": watch.n_breaches,
        "metric": watch.metric,
        "bound": watch.bound,
        "rate": watch.last_rate,
        "base": watch.base,
        "proven": watch.proven,
        "margin": watch.margin * 100,
    }
    try:
        registry.rollback_automatically(bad=watch.version, reason=reason, actor=PORTAL)
    except (Conflict, Corrupt) as exc:
        if exc.specific_code == "raced":
            return
        _end(watch, State.STUCK, f"{reason} {exc}", "critical")


def settle() -> dict[str, int]:
    """End the watches whose time is over, and carry out a return that death interrupted."""
    now, counts = clock.now(), {"n_ended": 0, "n_returned": 0}
    for watch in OptionWatch.objects.filter(state=State.WATCHING).select_related("version__model"):
        if watch.is_breached:
            go_back(watch)
            counts["n_returned"] += 1
        elif watch.ends_at <= now:
            _finish(watch)
            counts["n_ended"] += 1
    return counts


def _finish(watch: OptionWatch) -> None:
    half = watch.began_at + timedelta(seconds=watch.window_s / 2)
    if not watch.n_readings:
        said = _("No readings came while it was watched: whether it is better is not known.")
    elif watch.n_readings < watch.n_needed or watch.read_to is None or watch.read_to < half:
        said = _(
            "Too few readings came while it was watched (%(n)d, the last at %(at)s): whether it is "
            "better is not known."
        ) % {"n": watch.n_readings, "at": _minute(watch.read_to) if watch.read_to else "-"}
    else:
        said = _("%(n)d readings, never %(needed)d in a row beyond the bound.") % {
            "n": watch.n_readings,
            "needed": watch.n_needed,
        }
        _end(watch, State.KEPT, said)
        return
    _end(watch, State.UNREADABLE, said, "warning")


def _end(watch: OptionWatch, state: OptionWatch.State, reason: str, severity: str = "") -> None:
    ended = OptionWatch.objects.filter(pk=watch.pk, state=State.WATCHING).update(
        state=state, reason=reason, ended_at=clock.now()
    )
    if ended and severity:
        alerts.raise_alert(
            _key(watch),
            severity,
            f"{watch.version}: {reason}",
            f"/admin/registry/modelversion/{watch.version_id}/change/",
        )


def hold(area: str, name: str) -> None:
    """Let one at a time pass until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{area}:{name}"])


def _key(watch: OptionWatch) -> str:
    return f"tuning.watch.{watch.target}.{watch.workload}"


def _minute(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")

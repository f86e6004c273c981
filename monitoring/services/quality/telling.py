"""What is said when data are not as expected, or do not come at all."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext as _

from monitoring.engine.expecting import SHARE
from monitoring.models import QualityWindow, Rule
from monitoring.models.quality import LIVE
from monitoring.selectors import quality as selectors
from portal.core import alerts
from portal.core.formats import duration, figure, share
from portal.core.models import Alert
from predictions import selectors as predictions

URL = "/admin/monitoring/qualitywindow/"
PREFIX = "data-quality:"
#: An alert that nothing renews for so long is about a source that is gone, or a file of the past.
OPEN_FOR = timedelta(days=7)
N_SAID = 3


def alert_key(scope: str, source: str) -> str:
    """Return the key of the alert that a source's data are not as expected."""
    return f"{PREFIX}{scope}:{source}"[:200]


def worded(failure: Mapping[str, Any]) -> str:
    """Return a failure as people read it."""
    words = {
        "what": ": ".join(filter(None, (failure["column"], str(Rule(failure["rule"]).label)))),
        "value": _value(failure["unit"], failure["value"]),
        "limit": _value(failure["unit"], failure["limit"]),
    }
    if failure["value"] < failure["limit"]:
        return _("%(what)s %(value)s, at least %(limit)s is expected") % words
    return _("%(what)s %(value)s, at most %(limit)s is expected") % words


def _value(unit: str, value: float) -> str:
    return share(value) if unit == SHARE else figure(round(value, 3))


def tell(window: QualityWindow) -> None:
    """Open or close the alert of a source by its last hour."""
    key = alert_key(window.scope, window.source)
    if window.status == QualityWindow.Status.GOOD:
        alerts.resolve_alert(key)
    if not window.failures:
        return
    is_live = window.scope.startswith(LIVE)
    severity = Alert.Severity.WARNING if is_live else Alert.Severity.INFO
    alerts.raise_alert(key, severity, lambda: _message(window), URL)


def _message(window: QualityWindow) -> str:
    said = "; ".join(worded(failure) for failure in window.failures[:N_SAID])
    return _(
        "Data of %(source)s (%(scope)s) are not as expected since %(since)s: %(said)s. "
        "%(n)d rules are broken in all. The page of data quality shows them over time; what was "
        "refused lies in the quarantine with its reason."
    ) % {
        "source": selectors.names([window.source])[window.source],
        "scope": window.scope,
        "since": f"{window.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "said": said,
        "n": len(window.failures),
    }


def close_old(now: datetime) -> int:
    """Close what nothing has renewed for a week; return how many alerts."""
    old = Alert.objects.open().filter(key__startswith=PREFIX, last_at__lt=now - OPEN_FOR)
    return old.update(resolved_at=now)


def tell_silence(scope: str, limits: Mapping[str, Any] | None, now: datetime) -> None:
    """Alert when nobody has sent anything for longer than ever in the past."""
    key = f"data-silence:{scope}"
    last = QualityWindow.objects.filter(scope=scope).aggregate(at=Max("last_row_at"))["at"]
    limit_s = float((limits or {}).get("max_age_s") or 0.0)
    model_name = scope.removeprefix(LIVE)
    if last is not None:
        fresh = predictions.sent(model_name, now.replace(minute=0, second=0, microsecond=0), now)
        last = max([last, *(one.last_at for one in fresh if one.last_at)])
    age_s = (now - last).total_seconds() if last else 0.0
    if not limit_s or age_s <= limit_s:
        alerts.resolve_alert(key)
        return
    alerts.raise_alert(key, Alert.Severity.WARNING, lambda: _silence(scope, age_s, limit_s), URL)


def _silence(scope: str, age_s: float, limit_s: float) -> str:
    return _(
        "Nothing has come for %(scope)s for %(age)s; at most %(limit)s is expected. Look whether "
        "the lines still call the portal, and whether their keys still hold."
    ) % {"scope": scope, "age": duration(age_s), "limit": duration(limit_s)}

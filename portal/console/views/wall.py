"""The dashboard for a screen on the wall: few figures, large, kept fresh by itself."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from portal.console import selectors
from portal.console.views.frame import require_view
from portal.console.views.quality import VIEW
from portal.lib import clock
from predictions.selectors import history

N_SHOWN = 4


def wall(request: HttpRequest) -> HttpResponse:
    """Show what is live, what was answered today and what is wrong, readable from afar."""
    require_view(request, VIEW)
    now = clock.now()
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    context: dict[str, Any] = {
        "now": now,
        "today": history.summary(history.Wanted(since=midnight, until=now + timedelta(seconds=1))),
        "overview": selectors.overview(request.user),
        "n_alerts": selectors.n_open_alerts(),
        "n_drifts": selectors.n_open_drifts(),
        "n_shown": N_SHOWN,
    }
    return TemplateResponse(request, "console/wall.html", context)

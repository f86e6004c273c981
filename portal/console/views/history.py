"""The quality console's history: filters, trends, defect share by product and day, a file."""

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.console.engine import trends
from portal.console.views.frame import page, require_view
from portal.console.views.quality import VIEW, tabs
from portal.core import formats
from portal.core.errors import FieldProblem, InvalidInput
from portal.lib import clock
from portal.registry.models import ModelVersion
from predictions.engine.features import FEATURE_NAMES
from predictions.models import Prediction
from predictions.selectors import history as selectors
from predictions.selectors.history import Summary, Wanted
from predictions.services.models import MODEL_NAME

N_ROWS = 50
N_VERSIONS = 50
#: Rows of one file; a longer span is several files.
MOST_EXPORTED = 100_000
LONGEST_SPAN = timedelta(days=366)
FILTERS = ("since", "until", "label", "confidence", "product", "version")


def history(request: HttpRequest) -> HttpResponse:
    """Show what was predicted in a span of time."""
    require_view(request, VIEW)
    given = {name: request.GET.get(name, "").strip() for name in FILTERS}
    wanted, problems = _wanted(given)
    found = selectors.summary(wanted)
    rows = selectors.page(wanted, before=_before(request), limit=N_ROWS)
    shown = {name: value for name, value in given.items() if value}
    context: dict[str, Any] = {
        "title": _("Quality console"),
        "given": {**given, "since": _day(wanted.since), "until": _day(wanted.until - timedelta(1))},
        "problems": problems,
        "found": found,
        "trend": _trend(found),
        "rows": rows,
        "is_filtered": bool(shown),
        "is_empty": not Prediction.objects.filter(version__model__name=MODEL_NAME).exists(),
        "older": urlencode(shown | {"before": str(rows[-1].pk)}) if len(rows) == N_ROWS else "",
        "export": urlencode(shown),
        "most_exported": MOST_EXPORTED,
        "labels": Prediction.Label.choices,
        "levels": Prediction.Confidence.choices,
        "versions": _versions(),
        **tabs("history"),
    }
    status = InvalidInput.status if problems else 200
    return page(request, "console/quality/history.html", context, status=status)


def export(request: HttpRequest) -> HttpResponseBase:
    """Send what the filters choose as a file, row by row."""
    require_view(request, VIEW)
    wanted, problems = _wanted({name: request.GET.get(name, "").strip() for name in FILTERS})
    if problems:
        text = "\n".join(problem.message for problem in problems)
        return HttpResponse(
            text, status=InvalidInput.status, content_type="text/plain; charset=utf-8"
        )
    answer = StreamingHttpResponse(_lines(wanted), content_type="text/csv; charset=utf-8")
    name = f"predictions-{_day(wanted.since)}-{_day(wanted.until - timedelta(1))}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _lines(wanted: Wanted) -> Iterator[str]:
    heads = ["prediction_id", "at", "version", "class", "probability", "confidence", "outcome"]
    yield _line([*heads, *FEATURE_NAMES])
    for row in selectors.exported(wanted, limit=MOST_EXPORTED):
        own: Any = row
        known = [row.pk, row.at.isoformat(), own.number, row.predicted_class]
        known += [row.probability, row.confidence, own.outcome or ""]
        yield _line([*known, *(row.features.get(name, "") for name in FEATURE_NAMES)])


def _line(cells: list[Any]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()


# --- Filters --------------------------------------------------------------------------------------
def _wanted(given: dict[str, str]) -> tuple[Wanted, list[FieldProblem]]:
    """Return what the filters ask for; one that makes no sense is named and left out."""
    problems: list[FieldProblem] = []
    today = timezone.localdate(clock.now())
    until = _date(given["until"], "until", problems) or today
    since = _date(given["since"], "since", problems) or until - selectors.DEFAULT_SPAN
    if since > until:
        message = _("The span begins on %(since)s, after its end on %(until)s: swap them.")
        words = {"since": since.isoformat(), "until": until.isoformat()}
        problems.append(FieldProblem("since", "order", message % words))
        since = until - selectors.DEFAULT_SPAN
    elif until - since > LONGEST_SPAN:
        message = _("The span is %(days)d days: look at a year or less at once.")
        problems.append(FieldProblem("since", "range", message % {"days": (until - since).days}))
        since = until - LONGEST_SPAN
    return Wanted(
        since=_midnight(since),
        until=_midnight(until + timedelta(days=1)),
        label=_choice(given["label"], Prediction.Label.values),
        confidence=_choice(given["confidence"], Prediction.Confidence.values),
        product=_number(given["product"], "product", problems),
        version=_whole(given["version"], "version", problems),
    ), problems


def _date(text: str, name: str, problems: list[FieldProblem]) -> date | None:
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or not 1970 <= found.year <= 9000:
        message = _("“%(seen)s” is no date: write it as 2026-05-31.") % {"seen": text[:30]}
        problems.append(FieldProblem(name, "date", message))
        return None
    return found


def _number(text: str, name: str, problems: list[FieldProblem]) -> float | None:
    if not text:
        return None
    if len(text) <= 9 and text.isascii() and text.replace(".", "", 1).isdecimal():
        return float(text)
    message = _("“%(seen)s” is no product type: write its number.") % {"seen": text[:30]}
    problems.append(FieldProblem(name, "number", message))
    return None


def _whole(text: str, name: str, problems: list[FieldProblem]) -> int | None:
    if not text:
        return None
    if len(text) <= 9 and text.isascii() and text.isdecimal():
        return int(text)
    message = _("“%(seen)s” is no version: write its number.") % {"seen": text[:30]}
    problems.append(FieldProblem(name, "number", message))
    return None


def _choice(text: str, known: list[str]) -> str:
    return text if text in known else ""


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _day(moment: datetime) -> str:
    return timezone.localtime(moment).date().isoformat()


def _before(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("before", ""))
    except ValueError:
        return None


def _versions() -> list[int]:
    rows = ModelVersion.objects.filter(model__name=MODEL_NAME, moves_in__isnull=False)
    return list(rows.order_by("-number").values_list("number", flat=True).distinct()[:N_VERSIONS])


def _trend(found: Summary) -> trends.Trend:
    return trends.trend(
        [
            (
                date_format(part.key, "n/j") if isinstance(part.key, date) else "",
                part.n,
                part.share,
                ngettext(
                    "%(day)s: %(n)s shot, %(share)s called a defect",
                    "%(day)s: %(n)s shots, %(share)s called a defect",
                    part.n,
                )
                % {
                    "day": part.key,
                    "n": formats.number(part.n),
                    "share": formats.share(part.share),
                },
            )
            for part in found.days
        ]
    )

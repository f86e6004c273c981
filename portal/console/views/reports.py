"""Weekly reports: those that were written, and a button for another."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from portal.console import dispatch
from portal.console.tasks import WEEKLY
from portal.console.views.frame import page, require_view
from portal.core.admin.base import actor_of, require, tell
from portal.core.errors import InvalidInput
from portal.runs.models import Run

VIEW = "runs.view_run"
#: Whoever may run what schedules start may have a report written.
START = "runs.change_schedule"
N_REPORTS = 20


def reports(request: HttpRequest) -> HttpResponse:
    """List the weekly reports; on POST have one written and show its run."""
    require_view(request, VIEW)
    week, status = request.POST.get("week", "").strip(), 200
    if request.method == "POST":
        require(request, START)
        try:
            run = dispatch.weekly_report(actor=actor_of(request), week=week)
        except InvalidInput as error:
            tell(request, error)
            status = error.status
        else:
            return HttpResponseRedirect(reverse("admin:runs_run_change", args=[run.pk]))
    runs = Run.objects.filter(kind=WEEKLY).order_by("-created_at")
    context = {
        "title": _("Weekly reports"),
        "runs": runs.prefetch_related("run_artifacts")[:N_REPORTS],
        "week": week,
        "may_start": START,
    }
    return page(request, "console/reports.html", context, status=status)

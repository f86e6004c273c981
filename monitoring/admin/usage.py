"""What a run used, on its page."""

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from monitoring.selectors import usage
from portal.core.admin import sections
from portal.runs.models import Run


def run_section(request: HttpRequest, run: Run) -> SafeString | str:
    """Draw what a run used over its time."""
    course = usage.run_course(run)
    if course is None:
        return ""
    return render_to_string("monitoring/_run_usage.html", {"course": course}, request)


sections.register(sections.RUN, run_section)

"""The picture of a watch over options: readings before and since, beside the bound."""

from django import template
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from portal.lib import charts
from tuning.models import OptionWatch
from tuning.services import reading_courses

register = template.Library()
_HOUR_S = 3600.0


@register.simple_tag
def watch_picture(watch: OptionWatch) -> SafeString:
    """Draw the readings of a watch; nothing where none are kept."""
    points = reading_courses.of_watch(watch).points
    if not points:
        return mark_safe("")
    began = watch.began_at.timestamp()
    hours = [(point["at"].timestamp() - began) / _HOUR_S for point in points]
    series = [charts.Series(_("reading"), hours, [point["rate"] for point in points])]
    if watch.bound is not None:
        ends = [0.0, max(watch.window_s / _HOUR_S, hours[-1])]
        series.append(charts.Series(_("bound"), ends, [watch.bound, watch.bound]))
    axes = charts.Axes(_("hours since it went live"), watch.metric, from_zero=True)
    drawn = charts.svg(charts.Lines(axes, series))
    return mark_safe(drawn)  # noqa: S308 - drawn by us, texts escaped there

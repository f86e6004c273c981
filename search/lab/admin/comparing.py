"""Two campaigns against each other, as a page."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from portal.core.errors import PortalError
from search.lab import selectors
from search.lab.engine.analysis.comparing import MARGIN
from search.lab.models import Campaign, CellResult

if TYPE_CHECKING:
    from portal.core.admin.base import PagesMixin
else:
    PagesMixin = object

VIEW = "lab.view_campaign"
#: Campaigns that a choice offers, the latest first. Ours.
MOST_OFFERED = 200
VERDICTS = {
    "slower": (_("slower"), "bad"),
    "inconclusive": (_("inconclusive"), "warn"),
    "same": (_("the same"), ""),
    "faster": (_("faster"), "ok"),
}


class CampaignField(forms.ModelChoiceField):  # type: ignore[type-arg]  # only at run time
    """A campaign by its name and day."""

    def label_from_instance(self, obj: Campaign) -> str:
        return f"{obj.name} ({timezone.localtime(obj.created_at):%Y-%m-%d %H:%M})"


class ComparisonForm(forms.Form):
    """Which campaign, against which, and what counts as the same."""

    then = CampaignField(
        label=_("Earlier campaign"),
        queryset=Campaign.objects.none(),
        widget=UnfoldAdminSelectWidget,
    )
    now = CampaignField(
        label=_("Later campaign"), queryset=Campaign.objects.none(), widget=UnfoldAdminSelectWidget
    )
    margin = forms.FloatField(
        label=_("Counts as the same up to (%)"),
        initial=100 * MARGIN,
        required=False,
        min_value=0,
        max_value=100,
        widget=UnfoldAdminTextInputWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("then", "now"):
            field = self.fields[name]
            assert isinstance(field, CampaignField)  # noqa: S101 - for the type checker
            field.queryset = _measured(str(self.data.get(name) or self.initial.get(name, "")))

    @property
    def share(self) -> float:
        """What counts as the same, as a share."""
        given = self.cleaned_data["margin"]
        return MARGIN if given is None else given / 100


def _measured(chosen: str) -> QuerySet[Campaign]:
    """Return the latest campaigns with a measured cell, and the one that is chosen."""
    rows = CellResult.objects.filter(state=CellResult.State.MEASURED)
    known = Campaign.objects.filter(pk__in=rows.values("campaign"))
    latest = known.order_by("-created_at").values_list("pk", flat=True)[:MOST_OFFERED]
    offered = {str(one) for one in latest}
    if _is_number(chosen):
        offered.add(chosen)
    return Campaign.objects.filter(pk__in=offered).order_by("-created_at")


def _is_number(text: str) -> bool:
    try:
        forms.UUIDField().clean(text)
    except forms.ValidationError:
        return False
    return True


class ComparingPages(PagesMixin):
    """Pages beside the list of campaigns."""

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for two campaigns and give a verdict for every cell that both measured."""
        if not self.has_view_permission(request):  # type: ignore[attr-defined]  # of the admin
            raise PermissionDenied
        is_asked = "then" in request.GET and "now" in request.GET
        initial = {"margin": f"{100 * MARGIN:g}"} | {
            name: request.GET[name] for name in ("then", "now") if name in request.GET
        }
        # A link, as that of an alert, names the campaigns alone.
        data = initial | request.GET.dict() if is_asked else None
        form = ComparisonForm(data, initial=initial)
        context: dict[str, Any] = {
            "title": _("Compare two campaigns"),
            "form": form,
            "back": self.url("changelist"),
        }
        status = 200
        if form.is_bound:
            status = 422
            if form.is_valid():
                status = _compared(form, context)
        return self.page(request, "search/lab/compare.html", context, status=status)


def _compared(form: ComparisonForm, context: dict[str, Any]) -> int:
    """Add the comparison to what a page shows; returns the status of the answer."""
    from search.lab.services import comparing  # noqa: PLC0415 - the web process loads no scipy
    from search.lab.services.reports import comparison  # noqa: PLC0415 - as above

    given = form.cleaned_data
    try:
        found = comparing.compare(then=given["then"], now=given["now"], margin=form.share)
    except PortalError as error:
        form.add_error(None, str(error))
        return error.status
    counts = [(*VERDICTS[name], count) for name, count in found.counts.items()]
    context |= {
        "found": found,
        "headline": comparison.headline(found),
        "worse": [comparing.said(one) for one in found.worse],
        "disturbed": [selectors.label(cell) for cell in found.disturbed],
        "left_out": comparison.left_out(found),
        "counts": counts,
        "rows": [
            {
                "one": one,
                "label": selectors.label(one.cell),
                "text": VERDICTS[one.verdict][0],
                "tone": VERDICTS[one.verdict][1],
                "is_less_exact": one.is_less_exact,
            }
            for one in found.cells
        ],
    }
    return 200

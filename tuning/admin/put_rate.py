"""The page of the put-rate model: predicted against measured, and which form answers."""

from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _

from portal.core.admin.base import PagesMixin, actor_of, require
from portal.core.grants import grants_of
from tuning import dispatch
from tuning.admin import pictures
from tuning.services import put_fits, put_inputs, put_rates

if TYPE_CHECKING:
    _Base = PagesMixin
else:
    _Base = object

VIEW, CHANGE = "tuning.view_study", "tuning.change_study"


class PutRatePages(_Base):
    """Pages beside the list of studies."""

    def put_rate_view(self, request: HttpRequest) -> HttpResponse:
        """Show what was predicted, what was measured, and the error of each form."""
        require(request, VIEW)
        trials = put_inputs.measured()
        rows = put_rates.rows()
        context = {
            "title": _g("Put rate"),
            "rows": rows,
            "answering": next((row for row in rows if row.is_active), None),
            "n_trials": len(trials),
            "missing": put_rates.missing(len(trials), put_fits.n_configurations(trials)),
            "picture": pictures.put_rate({row.name: put_rates.scores(row.name) for row in rows}),
            "may_fit": CHANGE in grants_of(request),
        }
        return self.page(request, "tuning/put_rate.html", context)

    def fit_put_rate_view(self, request: HttpRequest) -> HttpResponse:
        """Start a fit."""
        require(request, CHANGE)
        return self.attempt(
            request,
            lambda: dispatch.fit_put_rate(actor=actor_of(request)),
            done=_("The put-rate model is being fitted; the page shows it when the run is over."),
            back=self.url("put_rate"),
        )

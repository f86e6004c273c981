"""Reads of the put-rate model: the forms of the latest fit, their error, the one that answers."""

from dataclasses import dataclass

import numpy as np
from django.utils.translation import gettext as _

from portal.core import formats
from tuning.engine.putrate.formulas import FORMULAS
from tuning.models import PutRateForm, PutRateScore

MODEL, FAMILY = "put-rate", "put-rate"
#: Ours: the latest predictions that a form is judged by, and the fewest that say anything.
N_RECENT, FEWEST_RECENT = 20, 8
#: Ours. Leaving an eighth of the configurations out must leave enough rows to fit on.
LEAST_TRIALS, LEAST_CONFIGURATIONS = 16, 8
N_DRAWN = 200


@dataclass(frozen=True)
class Recent:
    """How the latest predictions of a form did.

    Attributes
    ----------
    median_ape, p90_ape : float or None
        Absolute percentage error as a share; None without a prediction.
    coverage : float or None
        Share of the measured rates inside the 80 % interval.
    """

    n: int
    n_outside: int
    median_ape: float | None
    p90_ape: float | None
    coverage: float | None

    @property
    def is_out_of_band(self) -> bool:
        """Whether the median error lies outside the interval: more than half of the rates do."""
        return 2 * self.n_outside > self.n


@dataclass(frozen=True)
class Row:
    """A form as the page shows it; shares are None where nothing is known."""

    name: str
    formula: str
    is_active: bool
    is_enabled: bool
    state: str
    why: str
    left_out: dict[str, float]
    recent: Recent


def forms() -> list[PutRateForm]:
    """Return the forms of the latest fit, by name; none before the first fit."""
    last = PutRateForm.objects.order_by("-version__number").values_list("version", flat=True)
    found = PutRateForm.objects.filter(version=last.first()).select_related("version")
    return list(found.order_by("name"))


def recent(form: PutRateForm) -> Recent:
    """Return how the latest predictions of a form did."""
    scores = list(form.scores.order_by("-pk")[:N_RECENT])
    if not scores:
        return Recent(0, 0, None, None, None)
    errors = np.abs([one.error for one in scores])
    n_outside = sum(not one.is_inside for one in scores)
    return Recent(
        len(scores),
        n_outside,
        float(np.median(errors)),
        float(np.quantile(errors, 0.9)),
        1.0 - n_outside / len(scores),
    )


def error(form: PutRateForm, seen: Recent) -> float:
    """Return the median error a form is ranked by: on new trials, else on configurations left out.

    New trials count once there are enough of them.
    """
    if seen.n >= FEWEST_RECENT and seen.median_ape is not None:
        return seen.median_ape
    return float(form.evaluation["median_ape"])


def active(found: list[PutRateForm]) -> PutRateForm | None:
    """Return the form that answers: of those enabled, the one with the least error."""
    enabled = [form for form in found if form.is_enabled]
    return min(enabled, key=lambda form: error(form, recent(form)), default=None)


def rows() -> list[Row]:
    """Return the forms of the latest fit as the page shows them."""
    found = forms()
    answering = active(found)
    return [
        Row(
            form.name,
            FORMULAS[form.name],
            answering is not None and form.pk == answering.pk,
            form.is_enabled,
            form.get_state_display(),
            why_disabled(form),
            form.evaluation,
            recent(form),
        )
        for form in found
    ]


def scores(form: str) -> list[PutRateScore]:
    """Return the latest scores of a form of the latest fit."""
    last = [one.pk for one in forms() if one.name == form]
    found = PutRateScore.objects.filter(form__in=last).select_related("trial__study")
    return list(found.order_by("-pk")[:N_DRAWN])


def why_disabled(form: PutRateForm) -> str:
    """Return why a form is disabled and what enables it; empty while it is not."""
    if form.is_enabled:
        return ""
    return _(
        "Of its last %(n)s predictions %(outside)s lay outside the 80 %% interval it states, with "
        "a median error of %(error)s. Only a new fit enables it again."
    ) % {
        "n": form.seen["n"],
        "outside": form.seen["n_outside"],
        "error": formats.share(form.seen["median_ape"]),
    }


def missing(n_trials: int, n_configurations: int) -> str:
    """Return what a fit still lacks; empty when there are enough trials."""
    if n_trials >= LEAST_TRIALS and n_configurations >= LEAST_CONFIGURATIONS:
        return ""
    return _(
        "Not enough trials: there are %(trials)s of %(configurations)s configurations, and a fit "
        "needs %(least)s of %(fewest)s. Run studies of RocksDB under a load of puts only."
    ) % {
        "trials": n_trials,
        "configurations": n_configurations,
        "least": LEAST_TRIALS,
        "fewest": LEAST_CONFIGURATIONS,
    }

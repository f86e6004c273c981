"""Reads of studies as pages, commands and reports show them."""

import math
from typing import Any

from django.utils.translation import gettext as _

from tuning.models import Study


def ratio(score: float) -> float:
    """Return how many times as good a score says it is."""
    return math.exp(score)


def sentence(study: Study) -> str:
    """Return where a study stands in plain words, its verdict above all."""
    if study.verdict:
        return _verdict(study)
    if study.phase == Study.Phase.PROOF:
        return _("The best candidate is being proved against the options in use, pair by pair.")
    return _("The search is not over; nothing can be said yet.")


def _verdict(study: Study) -> str:
    found = _figures(study.proof)
    ground = study.proof.get("ground", "")
    if ground == "search":
        return _(
            "No gain: the search found nothing that did better than the options in use. Keep them."
        )
    if ground == "guards":
        return _(
            "Not to be used: the candidate is faster, but breaks a guard-rail. Keep the options "
            "in use."
        )
    if study.verdict == Study.Verdict.BETTER:
        return (
            _(
                "Better: the candidate does %(ratio)s times as well as the options in use "
                "(%(low)s to %(high)s, %(pairs)s pairs)."
            )
            % found
        )
    if study.verdict == Study.Verdict.WORSE:
        return (
            _(
                "Worse: the candidate does only %(ratio)s times as well as the options in use "
                "(%(low)s to %(high)s, %(pairs)s pairs). Keep the options in use."
            )
            % found
        )
    if ground == "equivalent":
        return (
            _(
                "No gain: candidate and options in use differ by less than 2 %% (%(low)s to "
                "%(high)s, %(pairs)s pairs). Keep the options in use."
            )
            % found
        )
    return (
        _(
            "No gain could be shown: %(ratio)s times, but the interval from %(low)s to %(high)s "
            "holds 1 after %(pairs)s pairs. Keep the options in use, or measure longer."
        )
        % found
    )


def _figures(proof: dict[str, Any]) -> dict[str, str]:
    found = proof.get("interval", {})
    return {
        name: "-" if found.get(name) is None else f"{found[name]:.3f}"
        for name in ("ratio", "low", "high")
    } | {"pairs": str(found.get("n_pairs", 0))}

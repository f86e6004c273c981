"""Reads of studies as pages, commands and reports show them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from portal.core import formats
from portal.lib import tunables
from tuning.engine.metrics import METRICS, Metric
from tuning.engine.problems import TEMPLATES
from tuning.models import OptionWatch, Study, Trial

#: Where the facts of a trial hold why it gave no figures, as ``code`` and ``params``.
CAUSE = "cause"
TONES = {
    "running": "info",
    "complete": "ok",
    "failed": "bad",
    "lost": "warn",
    "pruned": "",
    "disturbed": "warn",
}


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


def reason(trial: Trial) -> str:
    """Return why a trial gave no figures, in the reader's language; empty when it gave some."""
    cause: Mapping[str, Any] = trial.facts.get(CAUSE, {})
    template = TEMPLATES.get(str(cause.get("code")))
    if template is None:  # kept by another release
        return trial.reason
    try:
        return _(template).format(**cause["params"])
    except (KeyError, ValueError):
        return trial.reason


def told(trial: Trial) -> str:
    """Return what came of a trial that ended, as one sentence for a log."""
    why = reason(trial)
    words = {
        "number": trial.number,
        "role": trial.get_role_display(),
        "state": trial.get_state_display(),
        "reason": why,
    }
    if why:
        return _("Trial %(number)d (%(role)s): %(state)s. %(reason)s") % words
    if trial.score is None or trial.state != Trial.State.COMPLETE:
        return _("Trial %(number)d (%(role)s): %(state)s.") % words
    return _("Trial %(number)d (%(role)s): %(ratio)s times as good as the options in use.") % (
        words | {"ratio": f"{ratio(trial.score):.3f}"}
    )


def level(trial: Trial) -> str:
    """Return how serious the end of a trial is for a log."""
    return "warning" if trial.reason else "info"


def lost(count: int) -> str:
    """Return that trials died with their worker, as one sentence for a log."""
    return _("Trials lost with a worker that died, to be measured again: %(count)d.") % {
        "count": count
    }


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


@dataclass(frozen=True)
class Line:
    """A trial as tables show it.

    Attributes
    ----------
    ratio : str
        Times the options in use; a dash where nothing was measured.
    note : str
        Why it gave no figures, else what it changed.
    origin : str
        Where its options come from, when the sampler did not draw them.
    is_search : bool
        Whether it was a trial of the search.
    """

    number: int
    role: str
    state: str
    tone: str
    ratio: str
    breaks_guard: bool
    note: str
    origin: str = ""
    is_search: bool = False


@dataclass(frozen=True)
class Price:
    """A figure of the proof, of the options in use and of the candidate."""

    title: str
    unit: str
    current: float
    candidate: float
    times: str


def state_name(study: Study) -> str:
    """Return where a study stands, in the reader's language."""
    names = {"done": _("Done"), "paused": _("Paused"), "queued": _("Queued")}
    if study.state in names or study.run is None:
        return names.get(study.state, names["queued"])
    return study.run.get_state_display()


def lines(trials: Sequence[Trial]) -> list[Line]:
    """Return trials as tables show them; each must hold its study."""
    return [
        Line(
            trial.number,
            trial.get_role_display(),
            trial.get_state_display(),
            TONES.get(trial.state, ""),
            formats.DASH if trial.score is None else f"{ratio(trial.score):.3f}",
            not trial.is_within_guards,
            reason(trial)
            or ", ".join(f"{name} = {formats.figure(one)}" for name, one in trial.changed.items()),
            came_from(trial),
            trial.role == Trial.Role.SEARCH,
        )
        for trial in trials
    ]


def came_from(trial: Trial) -> str:
    """Return where the options of a trial come from; empty where the sampler drew them."""
    origin: dict[str, str] = trial.facts.get("origin", {})
    kind = origin.get("kind")
    if kind == "advice":
        return _("advice “%(name)s”") % origin
    if kind == "warm":
        return _("trial %(number)s of “%(name)s”") % origin
    if kind == "model":
        return _("put-rate form %(name)s, which predicted %(rate)s/s") % origin
    return ""


def best(study: Study) -> dict[str, Any] | None:
    """Return number and ratio of the best trial of the search."""
    found = study.best
    if found is None or found.score is None:
        return None
    return {"number": found.number, "ratio": f"{ratio(found.score):.3f}"}


def changes(study: Study, candidate: Mapping[str, Any] | None) -> list[tuple[str, Any, Any]]:
    """Return the options in which a candidate differs: name, in use, candidate."""
    return [
        (name, study.current.get(name), value)
        for name, value in (candidate or {}).items()
        if study.current.get(name) != value
    ]


def watches(study: Study) -> list[OptionWatch]:
    """Return the watches over what the study registered, the latest first."""
    version = study.proof.get("version") or {}
    return list(OptionWatch.objects.filter(version_id=version["id"])) if version else []


def prices(study: Study) -> list[Price]:
    """Return every figure of the proof, of both."""
    known = {one.name: one for one in _metrics(study.target)}
    found = []
    for name, both in study.proof.get("metrics", {}).items():
        metric = known.get(name)
        times = f"{both['candidate'] / both['current']:.3f}" if both["current"] else formats.DASH
        found.append(
            Price(
                _(metric.title) if metric else name,
                metric.unit if metric else "",
                both["current"],
                both["candidate"],
                times,
            )
        )
    return found


def title_of(target: str, name: str) -> str:
    """Return what people call a figure of a target, with its unit."""
    metric = next((one for one in _metrics(target) if one.name == name), None)
    if metric is None:
        return name
    return f"{_(metric.title)} ({metric.unit})" if metric.unit else _(metric.title)


def _metrics(target: str) -> Sequence[Metric]:
    known = tunables.registered().get(target)
    if known is None:
        return list(METRICS.values())
    return [
        Metric(one.name, one.title, one.unit, one.direction, one.factor, one.source)
        for one in known.figures
    ]

"""How trials end without figures: kept as code and values, for readers of any language."""

from typing import Any

from portal.lib import clock
from portal.runs.context import RunContext
from tuning import selectors
from tuning.engine.problems import TuningError
from tuning.models import Study, Trial

#: Of a sentence, and of a value in one; an engine's own message may be long.
LONGEST = 2_000


def give(trial: Trial, error: TuningError) -> None:
    """Set why a trial gave no figures; the row is left to the caller to save."""
    trial.reason = _plain(error)
    trial.facts = trial.facts | {selectors.CAUSE: _cause(error)}


def _cause(error: TuningError) -> dict[str, Any]:
    return {
        "code": error.code,
        "params": {
            name: value if isinstance(value, int | float) else _plain(value)
            for name, value in error.params.items()
        },
    }


def _plain(value: object) -> str:
    """Return a text that the database can hold; engines put any byte into their messages."""
    text = str(value).replace("\x00", "")
    return text.encode(errors="replace").decode()[:LONGEST]


def lose_open(ctx: RunContext, study: Study) -> None:
    """Mark what an earlier attempt left open; it is measured again."""
    with ctx.fenced():
        n_lost = mark_lost(study, "worker_died")
    if n_lost:
        ctx.log(selectors.lost(n_lost), level="warning", count=n_lost)


def mark_lost(study: Study, code: str) -> int:
    """Mark the trials in hand as lost and return how many there were."""
    n_lost = 0
    for trial in study.trials.filter(state=Trial.State.RUNNING):
        give(trial, TuningError(code))
        n_lost += Trial.objects.filter(pk=trial.pk, state=Trial.State.RUNNING).update(
            state=Trial.State.LOST,
            reason=trial.reason,
            facts=trial.facts,
            finished_at=clock.now(),
        )
    return n_lost

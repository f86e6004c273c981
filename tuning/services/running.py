"""The work of a study: one trial after the other until the engine says that it is over.

What comes next is told from the rows alone, so whatever dies loses at most the trial in hand: it is
marked lost when the run is taken up again, and measured once more.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.utils.translation import gettext as _

from portal.core.errors import Conflict, OutOfSpace, RunCancelled
from portal.lib import clock
from portal.runs.context import RunContext
from tuning import selectors
from tuning.engine import procedure, sampling
from tuning.engine.contract import Beat, Measurement, Target, preset
from tuning.engine.options import Value
from tuning.engine.problems import NoSpace, TargetLost, TuningError
from tuning.engine.procedure import MAX_TRIES, CannotBegin, Done, End, Plan, Step
from tuning.engine.proof import Proof
from tuning.engine.sampling import Proposal, Search
from tuning.models import Study, Trial
from tuning.services import (
    ends,
    first_points,
    history,
    machine,
    notebook,
    outages,
    promoting,
    put_inputs,
    put_scores,
    targets,
    trial_watch,
)

#: How much shorter the first look of a pruned search is.
SHORT_LOOK = 3
_JSON = "application/json"
_ENDED = (
    "state",
    "reason",
    "started_at",
    "finished_at",
    "seconds",
    "values",
    "score",
    "is_within_guards",
    "facts",
    "samples",
)
_SEED = 2**31 - 1


@dataclass
class Work:
    """One run of a study."""

    ctx: RunContext
    study: Study
    target: Target
    plan: Plan
    search: Search
    is_exhausted: bool = False


def work(ctx: RunContext) -> dict[str, Any]:
    """Measure until the study is decided, paused or out of budget."""
    study = Study.objects.get(pk=ctx.parameters["study"])
    target = targets.get(study.target)
    machine.require_room()
    ends.lose_open(ctx, study)
    with ctx.fenced():
        Study.objects.filter(pk=study.pk).update(environment=machine.facts())
    with notebook.opened() as storage:
        plan, options = history.plan(study, target), history.space(study, target)
        made = sampling.make_study(
            name=str(study.pk),
            n_gains=_n_gains(plan),
            sampler=sampling.make_sampler(
                study.budget["sampler"], options, study.seed + study.trials.count()
            ),
            pruner=study.budget["pruner"],
            storage=storage,
        )
        search = Search(made, options, target, study.current)
        search.close_open()
        job = Work(ctx, study, target, plan, search)
        try:
            ended = _go_on(job)
        except RunCancelled:
            ends.mark_lost(study, "run_cancelled")
            raise
    if ended is not None:
        _finish(job, ended)
    study.refresh_from_db()
    return {"study": str(study.pk), "is_paused": study.is_paused, "verdict": study.verdict}


def _n_gains(plan: Plan) -> int:
    return len(plan.goal.metrics) if plan.goal.is_pareto else 1


def _go_on(job: Work) -> End | None:
    """Measure until the end, or until somebody wants a pause."""
    while not _is_paused(job.study):
        job.ctx.check()
        so_far = history.done(job.study)
        try:
            step = procedure.next_step(job.plan, so_far, is_exhausted=job.is_exhausted)
        except CannotBegin as exc:
            raise _cannot_begin(job.study) from exc
        if isinstance(step, End):
            return step
        _show(job, so_far, step)
        _measure(job, step, so_far)
    return None


def _cannot_begin(study: Study) -> Conflict:
    last = study.trials.filter(role=Trial.Role.BASELINE).last()
    return Conflict(
        _("The options in use could not be measured, so there is nothing to compare with: %(why)s")
        % {"why": selectors.reason(last) if last else "-"},
        code="no_baseline",
    )


def _measure(job: Work, step: Step, so_far: list[Done]) -> None:
    proposal = None
    if step.configuration is None:
        proposal = _proposed(job, procedure.current_values(so_far) or {})
        if proposal is None:
            job.is_exhausted = True
            return
    configuration = dict(proposal.configuration if proposal else step.configuration or {})
    trial = _begin(job, step, configuration, proposal)
    try:
        found = _measured(job, trial, so_far)
    except NoSpace as exc:
        _end(job, trial, Trial.State.FAILED, exc)
        raise OutOfSpace(targets.refused(exc).message, code="no_space") from exc
    except TargetLost as exc:
        _end(job, trial, Trial.State.LOST, exc)
        found = None
    except TuningError as exc:
        _end(job, trial, Trial.State.FAILED, exc)
        found = None
    gains = _keep(job, trial, found, so_far) if found else None
    _tell(job, trial, gains, so_far)


def _proposed(job: Work, reference: Mapping[str, float]) -> Proposal | None:
    first_points.enqueue(job.study, job.target, job.plan, job.search, reference)
    return job.search.ask(first_points.focus(job.study, job.target, reference))


def _measured(job: Work, trial: Trial, so_far: list[Done]) -> Measurement | None:
    """Measure a trial; None when a short look was enough to give it up."""
    workload = preset(job.target, job.study.workload)
    seconds = job.plan.budget.trial_seconds
    reference = procedure.current_values(so_far)
    is_looked_at = (
        job.study.budget["pruner"] != "none"
        and trial.optuna_number is not None
        and reference is not None
        and not job.plan.goal.is_pareto
    )
    for length in (seconds / SHORT_LOOK, seconds) if is_looked_at else (seconds,):
        with machine.alone(job.ctx), machine.folder() as folder, outages.told(job.ctx):
            _note_start(job, trial)
            began = time.perf_counter()
            try:
                if put_inputs.BEFORE not in trial.facts:
                    trial.facts |= put_inputs.before(job.study, seconds, folder)
                found = job.target.measure(
                    trial.configuration,
                    workload,
                    seconds=length,
                    seed=trial.seed,
                    folder=folder,
                    beat=_beat(job, trial),
                    seen=trial_watch.Watch(job.study, trial),
                )
            finally:
                # All that the machine was taken for: first look, probe, and what failed as well.
                trial.seconds += time.perf_counter() - began
                trial_watch.let_go(trial)
        if length < seconds and reference is not None and trial.optuna_number is not None:
            gain = job.plan.goal.score(found.values, reference)
            if job.search.should_prune(trial.optuna_number, gain):
                trial.score, trial.values = gain, _plain(found.values)
                _end(job, trial, Trial.State.PRUNED)
                return None
            _save(job, trial, "facts")  # it waits for the machine once more
    return found


def _note_start(job: Work, trial: Trial) -> None:
    """Note that the machine was taken for a trial, which may have waited for hours."""
    if not trial.seconds:
        trial.started_at = clock.now()
    trial_watch.take(trial)
    _save(job, trial, "started_at", "facts")


def _save(job: Work, trial: Trial, *fields: str) -> None:
    with job.ctx.fenced():
        trial.save(update_fields=fields)


def _begin(
    job: Work, step: Step, configuration: Mapping[str, Value], proposal: Proposal | None
) -> Trial:
    origin = proposal.origin if proposal else _origin(job, step, configuration)
    with job.ctx.fenced():
        last = job.study.trials.order_by("-number").values_list("number", flat=True).first()
        number = 0 if last is None else last + 1
        pair_seed = step.pair if step.pair is not None else 1_000 + number
        return Trial.objects.create(
            study=job.study,
            number=number,
            role=step.role,
            pair=step.pair,
            optuna_number=proposal.number if proposal else None,
            configuration=dict(configuration),
            facts=({"origin": origin} if origin else {}) | {trial_watch.SPELLS: []},
            seed=(job.study.seed * 10_007 + pair_seed) % _SEED,
        )


def _origin(job: Work, step: Step, configuration: Mapping[str, Value]) -> dict[str, str]:
    """Return where something that is measured again came from; nothing of the options in use."""
    if step.role in {"baseline", "proof_current"}:
        return {}
    return first_points.origin_of(job.study, configuration)


def _keep(
    job: Work, trial: Trial, found: Measurement, so_far: list[Done]
) -> tuple[list[float], list[float]] | None:
    """Write what was measured; returns gains and guard excesses, or None if it does not count."""
    content = json.dumps(found.as_json() | {"configuration": trial.configuration}).encode()
    trial.samples = job.ctx.save_artifact(f"trial-{trial.number}.json", content, _JSON)
    trial.values = _plain(found.values)
    trial.facts |= {
        "steady": found.steady,
        "why": found.why,
        "foreign_load": round(found.foreign_load, 3),
        "is_disturbed": found.disturbed,
        "counters": {name: float(value) for name, value in found.counters.items()},
    }
    is_repeated = history.n_disturbed(so_far, trial) < MAX_TRIES - 1 and not history.is_always_busy(
        trial
    )
    if found.disturbed and is_repeated:
        busy = TuningError("foreign_load", load=found.foreign_load)
        _end(job, trial, Trial.State.DISTURBED, busy)
        return None
    reference = procedure.current_values(so_far) or trial.values
    gains = job.plan.goal.gains(trial.values, reference)
    excesses = job.plan.goal.excesses(trial.values, reference)
    trial.score = job.plan.goal.score(trial.values, reference)
    trial.is_within_guards = all(excess <= 0 for excess in excesses)
    _end(job, trial, Trial.State.COMPLETE)
    with job.ctx.fenced():
        put_scores.score([trial])
    return (list(gains.values()) if job.plan.goal.is_pareto else [trial.score]), excesses


def _plain(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _tell(
    job: Work,
    trial: Trial,
    found: tuple[list[float], list[float]] | None,
    so_far: list[Done],
) -> None:
    """Tell the sampler what came of a trial of the search."""
    if trial.role != Trial.Role.SEARCH:
        return
    if trial.optuna_number is None:
        if found is not None:  # measured again after it was lost or disturbed
            job.search.learn(trial.configuration, found[0])
    elif trial.state == Trial.State.PRUNED:
        job.search.tell_pruned(trial.optuna_number)
    elif found is None:
        job.search.tell(trial.optuna_number, None)
    else:
        job.search.tell(trial.optuna_number, *found)
    if found is not None:
        _note_best(job, so_far)


def _note_best(job: Work, so_far: list[Done]) -> None:
    best = (
        job.study.trials.filter(
            role=Trial.Role.SEARCH, state=Trial.State.COMPLETE, is_within_guards=True
        )
        .order_by(F("score").desc(nulls_last=True))
        .first()
    )
    n_searched = sum(one.role == "search" and one.has_values for one in so_far)
    fields: dict[str, Any] = {"best": best}
    if n_searched % 8 == 0:
        fields["findings"] = history.findings(job.study, job.target)
    with job.ctx.fenced():
        Study.objects.filter(pk=job.study.pk).update(**fields)


def _end(job: Work, trial: Trial, state: Trial.State, error: TuningError | None = None) -> None:
    moment = clock.now()
    trial.state, trial.finished_at = state, moment
    if error is not None:
        ends.give(trial, error)
    trial.seconds = trial.seconds or (moment - trial.started_at).total_seconds()
    job.ctx.log(selectors.told(trial), level=selectors.level(trial), number=trial.number)
    with job.ctx.fenced():
        trial.save(update_fields=_ENDED)
        Study.objects.filter(pk=job.study.pk).update(spent_s=F("spent_s") + trial.seconds)
        if trial.pair is not None:
            _note_proof(job)


def _note_proof(job: Work) -> None:
    """Keep where the proof stands, for whoever looks at it."""
    so_far = history.done(job.study)
    stands = procedure.standing(job.plan, so_far)
    Study.objects.filter(pk=job.study.pk).update(
        phase=Study.Phase.PROOF, proof=_proof_json(job, stands, so_far)
    )


def _proof_json(job: Work, stands: Proof, so_far: list[Done]) -> dict[str, Any]:
    return stands.to_dict() | {
        "log_ratios": procedure.pairs(job.plan, so_far),
        "candidate": procedure.best(job.plan, so_far),
        "metrics": procedure.metric_ratios(so_far),
    }


def _finish(job: Work, ended: End) -> None:
    so_far = history.done(job.study)
    findings = history.findings(job.study, job.target)
    content = _proof_json(job, ended.proof, so_far) | {
        "candidate": dict(ended.candidate) if ended.candidate else None
    }
    job.study.proof = content
    is_better = ended.proof.verdict == "better"
    kept = promoting.files(job.study) if is_better else {}
    with job.ctx.fenced():
        if is_better:
            version = promoting.register(job.ctx, job.study, kept)
            content["version"] = promoting.named(version)
        Study.objects.filter(pk=job.study.pk).update(
            phase=Study.Phase.DONE,
            proof=content,
            findings=findings,
            verdict=ended.proof.verdict,
            finished_at=clock.now(),
        )
    job.ctx.progress(1.0, "done", str(Study.Verdict(ended.proof.verdict).label))


def _is_paused(study: Study) -> bool:
    return Study.objects.filter(pk=study.pk, is_paused=True).exists()


def _beat(job: Work, trial: Trial) -> Beat:
    so_far = job.study.spent_s

    def beat(fraction: float, phase: str) -> None:
        spent = so_far + fraction * job.plan.budget.trial_seconds
        share = min(0.99, spent / job.plan.budget.seconds)
        job.ctx.progress(share, phase, _("Trial %(number)s") % {"number": trial.number})

    return beat


def _show(job: Work, so_far: list[Done], step: Step) -> None:
    job.study.spent_s = sum(one.seconds for one in so_far)
    share = min(0.99, job.study.spent_s / job.plan.budget.seconds)
    job.ctx.progress(share, step.role)

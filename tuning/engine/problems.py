"""What tuning refuses and what can happen to a trial: one table of sentences, one error root.

The engine speaks English and knows no translation: every sentence is a whole one with named
placeholders, marked for extraction, so that a caller translates ``error.template`` first and fills
in ``error.params`` afterwards.
"""

from collections.abc import Mapping
from typing import ClassVar

from portal.lib.coded import CodedError, gettext_noop

TEMPLATES: Mapping[str, str] = {
    # Configurations and workloads.
    "unknown_option": gettext_noop(
        "{option} is not an option of {target}: remove it, or choose from {allowed}."
    ),
    "not_whole": gettext_noop("{option} is {value}: send a whole number from {low} to {high}."),
    "not_number": gettext_noop("{option} is {value}: send a number from {low} to {high}."),
    "out_of_bounds": gettext_noop(
        "{option} is {value} {unit}: it must lie between {low} and {high}."
    ),
    "unknown_choice": gettext_noop("{option} is {value}: choose from {allowed}."),
    "no_bounds": gettext_noop(
        "{option} is no number and has no bounds: leave “low” and “high” out."
    ),
    "no_choices": gettext_noop("{option} is no list to choose from: leave “choices” out."),
    "not_switch": gettext_noop("{option} is {value}: send true or false."),
    "constraint": gettext_noop("These options do not go together ({value}): {rule}"),
    "unknown_workload": gettext_noop("{target} has no workload {value}: choose from {allowed}."),
    "too_short": gettext_noop(
        "A measurement of {value} s is too short for {target}: give it at least {low} s."
    ),
    # What happens to a trial.
    "refused_by_engine": gettext_noop("The engine refuses these options: {reason}"),
    "target_lost": gettext_noop(
        "The process of {target} ended in the middle of the trial ({reason}): the trial counts as "
        "lost and is repeated."
    ),
    "target_stuck": gettext_noop(
        "{target} gave no sign of life for {value} s and was ended: the trial counts as lost and "
        "is repeated."
    ),
    "database_restarted": gettext_noop(
        "The portal's database went down in the middle of the trial and came back: the trial "
        "counts as lost and is repeated."
    ),
    "worker_died": gettext_noop("The worker or the database died in the middle of the trial."),
    "run_cancelled": gettext_noop("The run was cancelled."),
    "foreign_load": gettext_noop("Others kept {load:.1f} processors busy."),
    "no_space": gettext_noop(
        "{folder} has {value} MiB free and the trial needs {limit} MiB: free some space, or choose "
        "a shorter trial or a smaller workload."
    ),
    "disk_filled": gettext_noop(
        "The disk filled up in the middle of the trial: free some space. The trial's files are "
        "removed."
    ),
    "hold_impossible": gettext_noop(
        "The disk cannot be held to {value} MiB/s here ({reason}): run as root on a machine with "
        "the blkio controller, or measure without a held disk."
    ),
    # Files handed to an importer.
    "unreadable": gettext_noop("{name} is no {kind} of RocksDB: {reason}"),
    # Put-rate models.
    "model_input": gettext_noop("The model {model} needs {field}, which is {value}: {rule}"),
    "too_few_rows": gettext_noop(
        "The model {model} needs at least {limit} measured rows and has {value}: measure more."
    ),
    "not_fitted": gettext_noop("The model {model} is not fitted: fit it on measurements first."),
    "bad_model": gettext_noop("This is no put-rate model: {reason}"),
}


class TuningError(CodedError):
    """Root of the errors that the engine of tuning raises on purpose."""

    templates: ClassVar[Mapping[str, str]] = TEMPLATES


class BadConfiguration(TuningError):
    """An option is unknown, out of its bounds or at odds with another: asking again is futile."""


class UnknownWorkload(TuningError):
    """A workload, or a parameter of one, that the target does not have."""


class RefusedByEngine(TuningError):
    """The engine itself refused the options: the trial failed, with the engine's own message."""

    def __init__(self, reason: str) -> None:
        super().__init__("refused_by_engine", reason=reason)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way through a queue."""
        return (RefusedByEngine, (self.params["reason"],))


class TargetLost(TuningError):
    """The measured process died or hung: the trial says nothing and is repeated."""


class NoSpace(TuningError):
    """The disk has too little room for the trial, or ran full in it."""


class Unsupported(TuningError):
    """What the trial asks for is not possible on this machine."""


class Unreadable(TuningError):
    """A file is not what it was handed in as."""


class ModelError(TuningError):
    """A put-rate model cannot be fitted, loaded or asked this."""

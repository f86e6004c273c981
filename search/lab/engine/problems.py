"""What the lab refuses, in the way of `search.engine.problems`: one table, one error."""

from collections.abc import Mapping
from typing import ClassVar

from portal.lib.coded import CodedError, gettext_noop

TEMPLATES: Mapping[str, str] = {
    "unknown_choice": gettext_noop("{field} is {value}: choose from {allowed}."),
    "wrong_number": gettext_noop("{field} is {value}: it must lie between {low} and {high}."),
    "nothing_chosen": gettext_noop("No {field} is chosen: choose at least one of {allowed}."),
    "unknown_parameter": gettext_noop(
        "{engine} has no parameter {value}: choose from {allowed}, or leave it out."
    ),
    "corpus_damaged": gettext_noop(
        "The corpus {value} differs from what its manifest says: delete its folder and it is "
        "built again."
    ),
    "too_few_passages": gettext_noop(
        "The collection has {value} passages: at least {limit} are needed for figures that mean "
        "something."
    ),
    "too_many_passages": gettext_noop(
        "The collection has {value} passages: the lab measures up to {limit}."
    ),
    "too_few_questions": gettext_noop(
        "Only {value} questions share a word with the passages: at least {limit} are needed. The "
        "first sentence of every hundredth passage is asked, so passages of a word each do not do."
    ),
    "recall_not_shown": gettext_noop(
        "recall is {value}: the {n} questions that prove it show {most} at most, even without a "
        "miss. Ask for {most} or less."
    ),
    "recall_needs_passages": gettext_noop(
        "recall is {value}: of about {passages} passages {n} questions prove it, which show {most} "
        "at most, even without a miss. Ask for {most} or less, or take a collection of {needed} "
        "passages."
    ),
    "engine_failed": gettext_noop("{engine} failed while {phase}: {reason}"),
    "engine_missing": gettext_noop("{engine} cannot run here: {reason}"),
    "memory_cap": gettext_noop(
        "{engine} asked for more than the {limit} MB that a cell may take: raise the cap or choose "
        "a smaller scale."
    ),
    "memory_gone": gettext_noop(
        "{engine} was ended by the system while at {phase}, as it is when memory runs out: choose "
        "fewer parallel builds, a smaller scale, or a machine with more memory."
    ),
    "table_emptied": gettext_noop(
        "Postgres was restarted and emptied the table of {engine}: it has to be built again."
    ),
    "filter_empty": gettext_noop(
        "A filter of {share} lets none of the {n_passages} passages through: choose a larger share."
    ),
    "index_gone": gettext_noop(
        "The index that {engine} built is not there or not whole any more: resume the campaign, "
        "and it is built again."
    ),
    "too_few_samples": gettext_noop(
        "This analysis needs at least {limit} measured cells and has {value}: measure more."
    ),
}


class LabProblem(CodedError):
    """Root of the errors that the lab raises on purpose."""

    templates: ClassVar[Mapping[str, str]] = TEMPLATES


class MatrixProblem(LabProblem):
    """A matrix asks for what the lab does not have."""


class CorpusProblem(LabProblem):
    """A corpus cannot be made or read."""


class EngineProblem(LabProblem):
    """An engine cannot build, open or search."""


class AnalysisProblem(LabProblem):
    """The measured cells do not allow an analysis."""

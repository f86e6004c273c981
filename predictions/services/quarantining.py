"""What predictions and imports refuse is counted, and handed over with the reason for keeping."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from portal.core import refused
from portal.core.refused import Batch, Fault
from predictions.engine.problems import EngineError, Problem
from predictions.engine.validate import Validated
from predictions.services import counts
from predictions.services.engine_errors import field_problems

#: Rows of one request that are written down; the rest is counted.
MOST_ROWS = 20
#: The names they are about were invented by the caller: as columns they would be without number.
INVENTED = frozenset({"unknown", "unknown_near"})


class Texts(Protocol):
    """What was sent, as text."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def texts(self) -> Iterable[str]:
        """Yield each row as JSON."""
        ...


class Said(Protocol):
    """A refusal, with what was found."""

    model_name: str
    validated: Validated


def shots(said: Said, sent: Texts, principal: str, request_id: str) -> None:
    """Count and hand over shots that were refused."""
    validated = said.validated
    counts.refused(said.model_name, validated.problems)
    refused.note(
        Batch(
            scope=f"live:{said.model_name}",
            source=principal or "unknown",
            faults=_faults(validated.problems),
            n_rows=len(sent),
            n_faults=validated.n_problems,
            n_bad_rows=min(len(sent), _n_bad_rows(validated.problems, validated.n_problems)),
            rows=_rows(validated.problems, sent),
            request_id=request_id,
        )
    )


def file(kind: str, name: str, error: EngineError) -> None:
    """Hand over what is wrong with a file that was not imported."""
    refused.note(
        Batch(
            scope=f"import:{kind}",
            source=name or "upload",
            faults=_faults(error.problems),
            n_rows=0,
            n_faults=error.n_problems,
            n_bad_rows=_n_bad_rows(error.problems, error.n_problems),
        )
    )


def _n_bad_rows(problems: Sequence[Problem], n_problems: int) -> int:
    """Return how many rows are wrong: those that are listed, and those that only are counted."""
    rows = {problem.row for problem in problems}
    return len(rows) + n_problems - len(problems)


def _faults(problems: Iterable[Problem]) -> list[Fault]:
    listed = list(problems)
    return [
        Fault(
            problem.row,
            "" if problem.code in INVENTED else problem.field,
            problem.code,
            said.message,
        )
        for problem, said in zip(listed, field_problems(listed), strict=True)
    ]


def _rows(problems: Iterable[Problem], sent: Texts) -> dict[int, str]:
    """Return the rows that faults name, as far as they can be written down."""
    wanted = {problem.row for problem in problems if problem.row is not None}
    wanted = set(sorted(wanted)[:MOST_ROWS])
    found: dict[int, str] = {}
    texts = enumerate(sent.texts())
    while len(found) < len(wanted):
        try:
            position, text = next(texts)
        except StopIteration:
            break
        except (TypeError, ValueError, OverflowError):  # what was sent cannot even be written
            break
        if position in wanted:
            found[position] = text
    return found

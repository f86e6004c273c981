"""Options with types, bounds and units, what they must keep between them, and one check for all."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuning.engine.problems import BadConfiguration, TuningError

Value = int | float | str | bool
Kind = Literal["integer", "real", "choice", "switch"]


@dataclass(frozen=True)
class Option:
    """Something that can be set.

    Attributes
    ----------
    kind : {"integer", "real", "choice", "switch"}
    low, high : float or None
        Bounds of numbers, both inclusive.
    log : bool
        Whether a sampler had better draw the logarithm.
    choices : tuple of str
        Of a choice.
    unit : str
        Of the value; empty for a count.
    help : str
        What it does; marked for translation.
    """

    name: str
    kind: Kind
    default: Value
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()
    unit: str = ""
    help: str = ""


@dataclass(frozen=True)
class Constraint:
    """What options must keep between them.

    Attributes
    ----------
    text : str
        The rule and the way out; marked for translation.
    options : tuple of str
        Which options it speaks of.
    holds : callable
        ``holds(configuration) -> bool`` over a whole configuration.
    """

    text: str
    options: tuple[str, ...]
    holds: Callable[[Mapping[str, Value]], bool]


def defaults(options: Sequence[Option]) -> dict[str, Value]:
    """Return the default of every option."""
    return {option.name: option.default for option in options}


def checked(
    target: str,
    options: Sequence[Option],
    constraints: Sequence[Constraint],
    given: Mapping[str, object],
    error: type[TuningError] = BadConfiguration,
) -> dict[str, Value]:
    """Return the whole configuration: what is given over the defaults.

    Whole numbers written as 3.0 are taken for integers, as JSON sends them.

    Raises
    ------
    BadConfiguration
        Or the class given as ``error``: for the first option that is unknown or out of its
        bounds, then for the first constraint broken.
    """
    known = {option.name: option for option in options}
    for name in given:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise error("unknown_option", target=target, option=str(name)[:80], allowed=allowed)
    whole = defaults(options) | {
        name: _value(known[name], value, error) for name, value in given.items()
    }
    for constraint in constraints:
        if not constraint.holds(whole):
            seen = ", ".join(f"{name} = {whole[name]}" for name in constraint.options)
            raise error("constraint", value=seen, rule=constraint.text, options=constraint.options)
    return whole


def _value(option: Option, value: object, error: type[TuningError]) -> Value:
    seen = repr(value)[:80]
    if option.kind == "choice":
        if not isinstance(value, str) or value not in option.choices:
            allowed = ", ".join(option.choices)
            raise error("unknown_choice", option=option.name, value=seen, allowed=allowed)
        return value
    if option.kind == "switch":
        if not isinstance(value, bool):
            raise error("not_switch", option=option.name, value=seen)
        return value
    return _number(option, value, error)


def _number(option: Option, value: object, error: type[TuningError]) -> int | float:
    bounds = {"low": option.low, "high": option.high}
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):  # type: ignore[arg-type]  # a number by now
        code = "not_whole" if option.kind == "integer" else "not_number"
        raise error(code, option=option.name, value=repr(value)[:80], **bounds)
    number = float(value)  # type: ignore[arg-type]  # a number by now
    if option.kind == "integer" and number != int(number):
        raise error("not_whole", option=option.name, value=repr(value)[:80], **bounds)
    low = -math.inf if option.low is None else option.low
    high = math.inf if option.high is None else option.high
    if not low <= number <= high:
        raise error("out_of_bounds", option=option.name, value=value, unit=option.unit, **bounds)
    return int(number) if option.kind == "integer" else number

"""JSON as the API takes it: what two readers could understand differently is refused.

Refused are NaN and infinity (also as an overflowing number), a name twice in one object, half a
surrogate pair, NUL characters, other encodings than UTF-8 and nesting deeper than
:data:`MAX_DEPTH`.
"""

import json
import math
import re
from typing import Any

MAX_DEPTH = 32
# Only numbers like these can overflow a double, so only then is every number looked at.
MAY_OVERFLOW = re.compile(rb"[eE]\+?\d{3}|\d{200}")
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
NUL = rb"\u0000"
NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class StrictJSONError(ValueError):
    """The bytes are not JSON that the API takes; the message says why."""


def loads(raw: bytes) -> Any:
    """Return the value.

    Raises
    ------
    StrictJSONError
        When the bytes break a rule.
    """
    if _looks_deep(raw) and _depth_outside_strings(raw) > MAX_DEPTH:
        raise StrictJSONError(f"it nests deeper than {MAX_DEPTH} levels")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise StrictJSONError(f"byte {exc.start + 1} is not UTF-8") from exc
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_not_a_number,
            parse_float=_finite if MAY_OVERFLOW.search(raw) else None,
        )
    except StrictJSONError:
        raise
    except json.JSONDecodeError as exc:
        raise StrictJSONError(
            f"{exc.msg[:1].lower()}{exc.msg[1:]}: line {exc.lineno} column {exc.colno}"
        ) from exc
    except ValueError as exc:
        raise StrictJSONError("a whole number has too many digits") from exc
    if NUL in raw or SURROGATE.search(raw):
        _check_text(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise StrictJSONError(f"the name {twice!r} stands twice in one object")
    return value


def _not_a_number(name: str) -> Any:
    raise StrictJSONError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise StrictJSONError(f"the number {text[:40]} is too large")
    return value


def _looks_deep(raw: bytes) -> bool:
    """Whether brackets nest beyond the limit when those inside strings are counted too."""
    depth = 0
    for bracket in raw.translate(None, NOT_BRACKETS):
        if bracket in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        else:
            depth -= 1
    return False


def _depth_outside_strings(raw: bytes) -> int:
    without_strings = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", raw, flags=re.DOTALL)
    depth = deepest = 0
    for bracket in without_strings.translate(None, NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _check_text(value: Any) -> None:
    """Raise for a NUL or half a surrogate pair in any name or text."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if "\x00" in item:
                raise StrictJSONError("a text holds the NUL character")
            if any("\ud800" <= character <= "\udfff" for character in item):
                raise StrictJSONError("a text holds half a surrogate pair")
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)

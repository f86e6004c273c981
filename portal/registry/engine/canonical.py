"""JSON values that survive a round trip through a database column with the same digest."""

import json
from typing import Any

from portal.lib import hashing

JSON = Any


def _settle(value: JSON) -> JSON:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_settle(item) for item in value]
    if isinstance(value, dict):
        return {key: _settle(item) for key, item in value.items()}
    return value


def settled(value: JSON) -> JSON:
    """Return the value as JSON gives it back, with every whole number written as an integer.

    A database's JSON type keeps numbers as decimals, so 1e22 comes back as an integer and -0.0 as
    zero; without this step the digest of a stored value could differ from the one first taken.

    Parameters
    ----------
    value
        Anything ``json.dumps`` takes: keys become text, tuples become lists.

    Raises
    ------
    ValueError
        If the value holds NaN or infinity, or a NUL character, which PostgreSQL cannot store.
    TypeError
        If the value holds something that is no JSON.
    """
    text = json.dumps(value, allow_nan=False)
    if "\\u0000" in text:
        raise ValueError("the value holds a NUL character; remove it from the text")
    return _settle(json.loads(text))


def digest(value: JSON) -> str:
    """Return the SHA-256 of a value's canonical JSON after :func:`settled`."""
    return hashing.digest_json(settled(value))

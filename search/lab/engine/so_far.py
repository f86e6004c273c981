"""What cells gave that are not whole yet: the passes kept on the disk, read without Arrow.

The layout is that of `search.lab.services.passes`: a folder for each cell, in it one for each pass.
A pass whose facts do not match their digest is left out here; the run measures it again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.lib.hashing import digest_json


@dataclass(frozen=True)
class KeptPass:
    """One pass of a cell.

    Attributes
    ----------
    number : int
        0 first.
    p50_ms : float
        Median latency of its questions.
    elapsed_s : float
        With all tries of it.
    counting_s : float
        Seconds of these for which answers were counted.
    n_counted : int
        Numbers of clients for which they were.
    """

    number: int
    p50_ms: float
    elapsed_s: float
    counting_s: float
    n_counted: int = 0


def passes(folder: Path) -> Mapping[str, Sequence[KeptPass]]:
    """Return the kept passes of a campaign by the key of their cell, in their order.

    Parameters
    ----------
    folder : Path
        Of the campaign; nothing is kept where there is none.
    """
    found: dict[str, list[KeptPass]] = {}
    for path in folder.glob("*/[0-9]*/facts.json"):
        kept = _read(path)
        if kept is not None:
            found.setdefault(path.parent.parent.name, []).append(kept)
    return {key: sorted(own, key=lambda one: one.number) for key, own in found.items()}


def _read(path: Path) -> KeptPass | None:
    """Return a pass; None for one that is damaged or went away meanwhile."""
    try:
        content = json.loads(path.read_text())
        facts = content["facts"]
        known = {"facts": facts, "made_with": content["made_with"]}
        if digest_json(known) != content["facts_digest"]:
            return None
        return KeptPass(
            int(path.parent.name),
            float(facts["p50_ms"]),
            float(facts["elapsed_s"]),
            counting_s(facts),
            len(_per_second(facts)),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def counting_s(facts: Mapping[str, Any]) -> float:
    """Return for how many seconds answers were counted, over all numbers of clients.

    Passes of earlier versions do not tell; they counted each second apart.
    """
    told = facts.get("counted_s")
    if told is not None:
        return float(told)
    return float(sum(len(one) for one in _per_second(facts).values()))


def _per_second(facts: Mapping[str, Any]) -> Mapping[str, Sequence[float]]:
    found = facts.get("per_second")
    return found if isinstance(found, dict) else {}

"""Passes of a cell that are measured already, kept beside the indexes until the cell is whole.

A pass is a folder, written beside its place and renamed, whose facts and samples are known by their
digest: whatever dies loses at most the pass in hand, and a damaged one is measured again. So is one
that other versions or another corpus made: passes of both must not stand in one interval.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.utils.translation import gettext as _

from portal.lib.hashing import digest_json
from search.engine.files import sha256
from search.lab.engine import so_far
from search.lab.engine.measuring import Samples

_FACTS, _SAMPLES = "facts.json", "samples.parquet"
_CALIBRATION = "calibration.json"
#: Facts of a pass that are kept one by one with the cell.
_EACH = ("p50_ms", "load_s", "engine_mb", "foreign_cores", "load_average", "measured_at")


@dataclass(frozen=True)
class Pass:
    """One pass of a cell."""

    facts: Mapping[str, Any]
    samples: Samples


class Passes:
    """The kept passes of one cell.

    Parameters
    ----------
    folder : Path
        Of this cell alone; made when the first pass is kept.
    made_with : mapping
        What a pass rests on, see `shelf.Shelf.rests_on`: one that was made with something else is
        not read.
    """

    def __init__(self, folder: Path, made_with: Mapping[str, Any]) -> None:
        self._folder = folder
        self._made_with = dict(made_with)

    def keep(self, number: int, facts: Mapping[str, Any], samples: Path) -> None:
        """Keep a pass; a file of samples is copied."""
        place, beside = self._place(number), self._folder / f".{number}"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        shutil.copyfile(samples, beside / _SAMPLES)
        content = {"facts": dict(facts), "made_with": self._made_with}
        digests = {"facts_digest": digest_json(content), "samples_digest": sha256(samples)}
        (beside / _FACTS).write_text(json.dumps(content | digests))
        shutil.rmtree(place, ignore_errors=True)
        beside.rename(place)

    def calibration(self) -> dict[str, Any] | None:
        """Return the calibration of the search breadth; None where there is none to be trusted."""
        try:
            content = json.loads((self._folder / _CALIBRATION).read_text())
            if content["digest"] == digest_json([content["found"], self._made_with]):
                return dict(content["found"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def keep_calibration(self, found: Mapping[str, Any]) -> None:
        """Keep a calibration, whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        content = {"found": dict(found), "digest": digest_json([dict(found), self._made_with])}
        beside = self._folder / f".{_CALIBRATION}"
        beside.write_text(json.dumps(content))
        beside.replace(self._folder / _CALIBRATION)

    def has(self, number: int) -> bool:
        """Whether a pass was kept."""
        return self._place(number).is_dir()

    def differences(self, number: int) -> list[str]:
        """Return what a kept pass was made with that is not so now, one text for each."""
        try:
            content = json.loads((self._place(number) / _FACTS).read_text())
            return differences(content.get("made_with", {}), self._made_with)
        except (OSError, ValueError, AttributeError):
            return []

    def forget(self, number: int) -> None:
        """Remove a pass."""
        shutil.rmtree(self._place(number), ignore_errors=True)

    def read(self, number: int) -> Pass | None:
        """Return a pass; a damaged one is removed, and None returned for it."""
        place = self._place(number)
        try:
            content = json.loads((place / _FACTS).read_text())
            known = {name: content[name] for name in ("facts", "made_with")}
            is_whole = (
                content["made_with"] == self._made_with
                and digest_json(known) == content["facts_digest"]
                and sha256(place / _SAMPLES) == content["samples_digest"]
            )
            if is_whole:
                samples = Samples.from_table(pq.read_table(place / _SAMPLES))
                return Pass(content["facts"], samples)
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid):
            pass
        self.forget(number)
        return None

    def clear(self) -> None:
        """Forget all passes."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _place(self, number: int) -> Path:
        return self._folder / str(number)


def summed(passes: Sequence[Pass]) -> dict[str, Any]:
    """Return the facts of a cell from those of its passes.

    What was found in any pass against the cell counts against it; memory and load are the highest
    of all, times to load their middle. Throughput is that of each pass; of one pass alone, and
    where earlier versions counted it once, that of its parts.
    """
    facts = [one.facts for one in passes]
    # Passes of before the engine was told from its process know another peak.
    told = [one for one in facts if one.get("engine_mb") is not None]
    loads = sorted(one["load_s"] for one in facts)
    return {
        **facts[0],
        "uses_index": all(one["uses_index"] for one in facts),
        "falls_short": any(one["falls_short"] for one in facts),
        "is_disturbed": any(one["is_disturbed"] for one in facts),
        "load_s": loads[len(loads) // 2],
        **{name: max(one[name] for one in facts) for name in ("foreign_cores", "load_average")},
        **_memory(told or facts),
        "per_second": _per_second(facts),
        "counted_s": sum(so_far.counting_s(one) for one in facts),
        "way": ", ".join(sorted({one["way"] for one in facts if one.get("way")})),
        "elapsed_s": sum(one["elapsed_s"] for one in facts),
        "passes": [{name: one[name] for name in _EACH if name in one} for one in facts],
    }


def _per_second(facts: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return answers a second of each pass by the number of clients."""
    found: dict[str, list[list[float]]] = {}
    for one in facts:
        for count, own in one.get("per_second", {}).items():
            found.setdefault(count, []).append(own)
    return {
        count: [fmean(one) for one in own] if len(own) > 1 else own[0]
        for count, own in found.items()
    }


def _memory(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the highest of each size that all of these passes know."""
    names = ("peak_mb", "baseline_mb", "engine_mb")
    known = [name for name in names if all(one.get(name) is not None for one in facts)]
    return {name: max(one[name] for one in facts) for name in known}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what differs between two makings: packages with their versions, corpus, index."""
    before, after = then.get("versions") or {}, now.get("versions") or {}
    found = [
        f"{name} {before.get(name, '-')} → {after.get(name, '-')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    if then.get("ef_search") != now.get("ef_search"):
        found.append(f"ef_search {then.get('ef_search', '-')} → {now.get('ef_search', '-')}")
    if then.get("corpus") != now.get("corpus"):
        found.append(_("another corpus") if then.get("corpus") else _("an unknown corpus"))
    if then.get("index") != now.get("index"):
        found.append(_("another build of the index"))
    if then.get("questions") != now.get("questions"):
        found.append(_("other questions"))
    return found

"""RocksDB's ``OPTIONS`` file: sections of options, and what of them is an option of ours.

Source: RocksDB wiki, "RocksDB Options File".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tuning.engine.options import Option, Value
from tuning.engine.problems import Unreadable
from tuning.engine.rocksdb.catalogue import OPTIONS, SIZES

_SECTION = re.compile(r'^\[(\w+)(?:/(\w+))?(?: "(.*)")?\]$')
_KIND = "OPTIONS"
_LONGEST = 4 << 20
_COMPRESSIONS = {
    "kNoCompression": "none",
    "kSnappyCompression": "snappy",
    "kLZ4Compression": "lz4",
    "kZSTD": "zstd",
    "kDisableCompressionOption": "same",
}
_STYLES = {"kCompactionStyleLevel": "level", "kCompactionStyleUniversal": "universal"}
_BLOOM = re.compile(r"^bloomfilter:(\d+)")


@dataclass(frozen=True)
class OptionsFile:
    """What an OPTIONS file holds.

    Attributes
    ----------
    families : mapping of mappings
        Options of each column family, those of its table format included.
    """

    version: str
    database: Mapping[str, str]
    families: Mapping[str, Mapping[str, str]]

    def configuration(self, family: str = "default") -> dict[str, Value]:
        """Return the options that the target has too, in its units.

        What it does not know, or has no equal value for (another compression), is left out, so
        that the target's own default stands there.

        Raises
        ------
        Unreadable
            If there is no such column family.
        """
        if family not in self.families:
            raise _unreadable(f"no column family {family!r}; it has {', '.join(self.families)}")
        found = {**self.database, **self.families[family]}
        universal = _braces(found.get("compaction_options_universal", ""))
        found["universal_size_ratio"] = universal.get("size_ratio", "")
        key = "max_size_amplification_percent"
        found[f"universal_{key}"] = universal.get(key, "")
        policy = found.get("filter_policy", "")
        bloom = _BLOOM.match(policy)
        found["bloom_bits"] = bloom[1] if bloom else {"nullptr": "0"}.get(policy, "")
        values = {option.name: _value(option, found.get(option.name, "")) for option in OPTIONS}
        return {name: value for name, value in values.items() if value is not None}


def read_options(text: str, name: str = "OPTIONS") -> OptionsFile:
    """Read an OPTIONS file.

    Raises
    ------
    Unreadable
        If a section is missing or a line is none of such a file; the line is named.
    """
    if len(text) > _LONGEST:
        raise _unreadable("it is over 4 MiB", name)
    database: dict[str, str] = {}
    families: dict[str, dict[str, str]] = {}
    version = ""
    current: dict[str, str] = {}
    for at, raw in enumerate(text.splitlines(), start=1):
        line = raw.split("#", 1)[0].strip() if raw.lstrip().startswith("#") else raw.strip()
        if not line:
            continue
        if section := _SECTION.match(line):
            current = _section(section, database, families)
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise _unreadable(f"line {at} is neither a section nor an option: {line[:60]!r}", name)
        current[key.strip()] = value.strip()
        if key.strip() == "rocksdb_version":
            version = value.strip()
    if not version or not families:
        raise _unreadable("the sections Version and CFOptions are missing", name)
    return OptionsFile(version, database, families)


def _section(
    section: re.Match[str], database: dict[str, str], families: dict[str, dict[str, str]]
) -> dict[str, str]:
    if section[1] == "DBOptions":
        return database
    if section[1] in ("CFOptions", "TableOptions"):
        return families.setdefault(section[3] or "default", {})
    return {}


def _braces(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.strip("{}").split(";"))
    return {key: value for key, equals, value in pairs if equals}


def _value(option: Option, text: str) -> Value | None:
    if not text:
        return None
    if option.name in ("compression", "bottommost_compression"):
        known = _COMPRESSIONS.get(text)
        return known if known in option.choices else None
    if option.name == "compaction_style":
        return _STYLES.get(text)
    if option.kind == "switch":
        return {"true": True, "false": False}.get(text)
    return _number(option, text)


def _number(option: Option, text: str) -> int | float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    number /= SIZES.get(option.name, 1)
    within = (option.low or 0) <= number <= (option.high or 0)
    if not within or (option.kind == "integer" and number != int(number)):
        return None
    return int(number) if option.kind == "integer" else number


def _unreadable(reason: str, name: str = "OPTIONS") -> Unreadable:
    return Unreadable("unreadable", name=name, kind=_KIND, reason=reason)

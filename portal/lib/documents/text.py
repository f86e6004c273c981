"""Values and strings as a reader sees them."""

import math
import unicodedata

from portal.lib.documents.blocks import Value

#: What stands for a value that there is none of.
NOTHING = "–"  # noqa: RUF001 - a dash is meant
#: Separators of lines beyond the line feed, which break a table's row.
_BREAKS = {"\r\n": "\n", "\r": "\n", "\u2028": "\n", "\u2029": "\n", "\t": "    "}


def shown(value: Value) -> str:
    """Return a value as text: whole numbers with thousands, others with four digits."""
    if value is None:
        return NOTHING
    if isinstance(value, bool | str):
        return clean(str(value))
    if isinstance(value, int):
        return f"{value:,}"
    return _number(float(value))


def clean(text: str) -> str:
    r"""Return a text whose invisible characters are written out, ``\x1b`` for an escape.

    Control characters, marks that turn the direction of writing, and halves of pairs: they hide,
    reorder or break what a reader sees. Line breaks stay, tabs become spaces.
    """
    for mark, meant in _BREAKS.items():
        text = text.replace(mark, meant)
    return "".join(one if one == "\n" or not _is_hidden(one) else _written(one) for one in text)


def _number(value: float) -> str:
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value and (abs(value) < 1e-3 or abs(value) >= 1e9):
        return f"{value:.3e}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _is_hidden(one: str) -> bool:
    kind = unicodedata.category(one)
    # Joiners belong to the spelling of some scripts and emoji.
    return kind in {"Cc", "Cs"} or (kind == "Cf" and one not in "\u200c\u200d\u00ad")


def _written(one: str) -> str:
    return f"\\x{ord(one):02x}" if ord(one) < 0x100 else f"\\u{ord(one):04x}"

"""Turn our own SVG text into a PNG, Hangul included, with nothing of the system's.

Drawn by resvg (one wheel, no system library) in a font that travels with the portal: the syllables
of KS X 1001, Latin-1 and a few marks (see `fonts/OFL.txt`). The fonts of the machine are not looked
at, so a picture is the same everywhere.
"""

from pathlib import Path

import resvg_py

FONT = Path(__file__).parent / "fonts" / "MillwrightSansKR-Regular.ttf"
FAMILY = "Millwright Sans KR"
BACKGROUND = "#ffffff"
#: Pixels for one unit of the SVG; ours: sharp on paper at 17 cm, and half the time of doubling.
SCALE = 1.5
#: What stands for a character that the font lacks; it has this one.
BOX = "□"
#: Marks beyond Latin-1 that the font has.
MARKS = "–—‘’“”•…℃←→−≤≥μ"  # noqa: RUF001 - these very characters are meant


def png(svg: str) -> bytes:
    """Return a picture as PNG.

    Parameters
    ----------
    svg : str
        A complete element with width and height, in fixed colours: style sheets of pages and
        their custom properties are not known here.
    """
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            background=BACKGROUND,
            zoom=SCALE,
            skip_system_fonts=True,
            font_files=[str(FONT)],
            font_family=FAMILY,
            sans_serif_family=FAMILY,
        )
    )


def shown(text: str) -> str:
    """Return a text with a box for every character that the font lacks; line breaks stay."""
    return "".join(one if one == "\n" or _has(one) else BOX for one in text)


def can_show(text: str) -> bool:
    """Return whether the font has every character of a text."""
    return all(_has(character) for character in text)


def _has(character: str) -> bool:
    code = ord(character)
    if 0xAC00 <= code <= 0xD7A3:
        try:
            return len(character.encode("euc_kr")) == 2
        except UnicodeEncodeError:
            return False
    return 0x20 <= code < 0x7F or 0xA0 <= code < 0x100 or character in MARKS + BOX

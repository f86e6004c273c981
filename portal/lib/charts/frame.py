"""The frame of a static chart: scales, ticks, grid, legend, and text that fits."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from portal.lib.charts.model import FAINT, GRID, INK, PAPER, Axes

WIDTH, HEIGHT = 760, 400
FONT_SIZE = 13
TOP, BOTTOM, RIGHT, LEFT = 14, 52, 18, 74
LEGEND_ROW = 22
N_TICKS = 6
#: Widths in parts of the font size, ours: measured on the shipped font, rounded up.
WIDE_CHARACTER, NARROW_CHARACTER = 0.95, 0.58


@dataclass(frozen=True)
class Scale:
    """Maps values to pixels, along a line or its logarithm."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high, value = (self._flat(one) for one in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round values within the range."""
        return _log_ticks(self.low, self.high) if self.is_log else _ticks(self.low, self.high)

    def _flat(self, value: float) -> float:
        return math.log10(value) if self.is_log else value


def scale(
    values: Iterable[float],
    start: float,
    end: float,
    *,
    is_log: bool = False,
    has_zero: bool = False,
) -> Scale:
    """Return a scale with room for all finite values, also for one alone or none."""
    sound = [one for one in values if usable(one, is_log=is_log)]
    if has_zero and not is_log:
        sound.append(0.0)
    low, high = (min(sound), max(sound)) if sound else (1.0, 10.0)
    if is_log:
        room = 10 ** (0.04 * math.log10(high / low)) if high > low else 2.0
        return Scale(max(low / room, 1e-300), min(high * room, 1e300), start, end, is_log=True)
    room = 0.04 * (high - low) if high > low else abs(high) * 0.1 or 1.0
    bottom = low if has_zero and low == 0 and high > low else low - room
    return Scale(bottom, high + room, start, end)


def usable(value: float, *, is_log: bool = False) -> bool:
    """Return whether a value can be drawn."""
    return math.isfinite(value) and (value > 0 or not is_log)


def number(value: float) -> str:
    """Return a tick's text: up to four digits, thousands apart, no needless zeros."""
    if value and (abs(value) >= 1e7 or abs(value) < 1e-4):
        return f"{value:.3g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def width(text: str, size: float = FONT_SIZE) -> float:
    """Return about the width of a text in pixels."""
    return sum(WIDE_CHARACTER if ord(one) > 0x2FF else NARROW_CHARACTER for one in text) * size


def fitted(text: str, room: float) -> str:
    """Return a text, cut with an ellipsis where it is wider than the room."""
    if width(text) <= room:
        return text
    while text and width(text + "…") > room:
        text = text[:-1]
    return text + "…"


def label(x: float, y: float, text: str, *, anchor: str = "start", fill: str = FAINT) -> str:
    """Return a line of text as an element."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">'
        f"{escape(printable(text))}</text>"
    )


def printable(text: str) -> str:
    """Return a text without characters that XML forbids; each becomes a box."""
    return "".join(one if _is_xml(ord(one)) else "□" for one in text)


def legend(entries: Sequence[tuple[str, str]]) -> tuple[list[str], float]:
    """Return the legend's elements and the height that its rows take."""
    parts, x, row = [], float(LEFT), 0
    for name, fill in entries:
        name = fitted(name, WIDTH - LEFT - RIGHT - 24)
        needed = width(name) + 38
        if x + needed > WIDTH - RIGHT and x > LEFT:
            x, row = float(LEFT), row + 1
        y = TOP + row * LEGEND_ROW + 8
        parts.append(f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="12" height="12" fill="{fill}"/>')
        parts.append(label(x + 18, y + 2, name, fill=INK))
        x += needed
    return parts, (row + 1) * LEGEND_ROW + 4 if entries else 0.0


def grid(across: Scale | None, up: Scale | None, axes: Axes, height: float = HEIGHT) -> list[str]:
    """Return grid lines, their numbers and the names of the axes.

    A direction without a scale is left to the caller: its labels are not numbers.
    """
    bottom, parts = height - BOTTOM, []
    left = across.start if across else LEFT
    top = up.end if up else TOP
    if up:
        for tick in up.ticks():
            y = up.at(tick)
            parts.append(_line(left, y, WIDTH - RIGHT, y, GRID))
            parts.append(label(left - 8, y + 4, number(tick), anchor="end"))
    if across:
        for tick in across.ticks():
            x = across.at(tick)
            parts.append(_line(x, top, x, bottom, GRID))
            parts.append(label(x, bottom + 19, number(tick), anchor="middle"))
    parts.append(_line(left, bottom, WIDTH - RIGHT, bottom, FAINT))
    middle = (left + WIDTH - RIGHT) / 2
    parts.append(label(middle, height - 10, axes.x, anchor="middle", fill=INK))
    if axes.y:
        y = (top + bottom) / 2
        parts.append(
            f'<text transform="translate(16 {y:.1f}) rotate(-90)" text-anchor="middle" '
            f'fill="{INK}">{escape(printable(fitted(axes.y, bottom - top)))}</text>'
        )
    return parts


def picture(parts: Iterable[str], height: float = HEIGHT) -> str:
    """Return the whole element around the parts."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" font-size="{FONT_SIZE}" '
        f'font-family="system-ui, sans-serif">'
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="{PAPER}"/>{"".join(parts)}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"/>'


def _ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / N_TICKS
    if raw <= 0 or not math.isfinite(raw):
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((one * power for one in (1, 2, 2.5, 5) if one * power >= raw), 10 * power)
    first = math.ceil(low / step)
    return [round(at * step, 12) for at in range(first, math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = last - first
    every = max(1, decades // N_TICKS)
    marks = (1,) if decades > 3 else (1, 2, 5)
    powers = range(first, last + 1, every)
    return [one * 10.0**at for at in powers for one in marks if low <= one * 10.0**at <= high]


def _is_xml(code: int) -> bool:
    return code in {9, 10} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code > 0xFFFF

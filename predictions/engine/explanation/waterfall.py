"""The waterfall of one prediction as SVG text, drawn without a plotting library.

Colours come from CSS custom properties with fallbacks, so that the picture follows the theme of
the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import exp

WIDTH = 760
ROW_HEIGHT = 26
TOP = 34
BOTTOM = 40
LABEL_WIDTH = 290
VALUE_WIDTH = 70
UP = "var(--waterfall-up, #c2410c)"
DOWN = "var(--waterfall-down, #1d4ed8)"
INK = "var(--waterfall-ink, #1f2937)"
FAINT = "var(--waterfall-faint, #9ca3af)"


@dataclass(frozen=True)
class Step:
    """One bar: what a feature, or the rest together, added.

    Attributes
    ----------
    label : str
        The feature and its value, in the reader's language.
    value : float
        What it added, in log-odds.
    """

    label: str
    value: float


@dataclass(frozen=True)
class Captions:
    """The words around the picture, in the reader's language."""

    title: str
    base: str
    result: str


def probability(margin: float) -> float:
    """Return the logistic function of a margin in log-odds, without overflow."""
    if margin >= 0:
        return 1.0 / (1.0 + exp(-margin))
    return exp(margin) / (1.0 + exp(margin))


def draw(steps: Sequence[Step], base_value: float, captions: Captions) -> str:
    """Draw the way from the base value to the margin of one prediction.

    Parameters
    ----------
    steps : sequence of Step
        Bars in the order they are drawn; their sum ends at the prediction's margin.
    base_value : float
        Where the first bar starts, in log-odds.
    captions : Captions
        Title and the names of both ends.

    Returns
    -------
    str
        A complete ``<svg>`` element; text in labels is escaped.
    """
    ends = [base_value]
    for step in steps:
        ends.append(ends[-1] + step.value)
    low, high = min(ends), max(ends)
    span = (high - low) or 1.0
    room = WIDTH - LABEL_WIDTH - VALUE_WIDTH

    def x(margin: float) -> float:
        return LABEL_WIDTH + room * (margin - low) / span

    height = TOP + ROW_HEIGHT * len(steps) + BOTTOM
    title = escape(captions.title)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="{title}" font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{title}</title>",
        _end_line(x(base_value), TOP - 6, height - BOTTOM + 6),
        _text(x(base_value), TOP - 14, _end_label(captions.base, base_value), "middle", FAINT),
    ]
    for number, step in enumerate(steps):
        parts.append(_bar(step, x(ends[number]), x(ends[number + 1]), TOP + ROW_HEIGHT * number))
    parts.append(
        _text(x(ends[-1]), height - 14, _end_label(captions.result, ends[-1]), "middle", INK)
    )
    parts.append("</svg>")
    return "".join(parts)


def _end_label(name: str, margin: float) -> str:
    return f"{name} {probability(margin):.1%}"


def _end_line(x: float, top: float, bottom: float) -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"'
        f' stroke="{FAINT}" stroke-dasharray="3 3"/>'
    )


def _bar(step: Step, start: float, end: float, top: float) -> str:
    left, width = min(start, end), max(abs(end - start), 1.0)
    colour = UP if step.value >= 0 else DOWN
    middle = top + ROW_HEIGHT * 0.65
    return (
        f"<g><title>{escape(step.label)}: {step.value:+.4f}</title>"
        + _text(LABEL_WIDTH - 10, middle, step.label, "end", INK)
        + f'<rect x="{left:.1f}" y="{top + 4:.1f}" width="{width:.1f}" height="{ROW_HEIGHT - 8}"'
        f' rx="2" fill="{colour}"/>'
        + _text(left + width + 6, middle, f"{step.value:+.2f}", "start", colour)
        + "</g>"
    )


def _text(x: float, y: float, text: str, anchor: str, colour: str) -> str:
    inside = min(max(x, 60.0), WIDTH - 60.0) if anchor == "middle" else x
    return (
        f'<text x="{inside:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text)}</text>"
    )

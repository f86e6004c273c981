"""The waterfall of one prediction as SVG text, drawn without a plotting library.

Colours come from CSS custom properties with fallbacks, so that the picture follows the theme of
the page; what is turned into pixels elsewhere takes fixed ones. The narrow layout puts each label
above its bar, for a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import exp

TOP = 34
BOTTOM = 40
#: More room below for what an interactive picture reads out.
READING_HEIGHT = 22
#: The name of an end stays this far from the edges: half of the longest.
END_ROOM = 105.0


@dataclass(frozen=True)
class Palette:
    """Colours of bars that raise and lower the probability, of text and of lines."""

    up: str
    down: str
    ink: str
    faint: str


PLAIN = Palette("#c2410c", "#1d4ed8", "#1f2937", "#6b7280")
THEMED = Palette(
    f"var(--waterfall-up, {PLAIN.up})",
    f"var(--waterfall-down, {PLAIN.down})",
    f"var(--waterfall-ink, {PLAIN.ink})",
    f"var(--waterfall-faint, {PLAIN.faint})",
)


@dataclass(frozen=True)
class Layout:
    """Measures of the picture; without room for labels beside the bars they stand above them."""

    width: int
    row_height: int
    label_width: int
    value_width: int

    @property
    def has_labels_above(self) -> bool:
        """Whether a row holds its label over its bar."""
        return not self.label_width


WIDE = Layout(width=760, row_height=26, label_width=290, value_width=70)
NARROW = Layout(width=350, row_height=42, label_width=0, value_width=56)


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


def draw(
    steps: Sequence[Step],
    base_value: float,
    captions: Captions,
    *,
    layout: Layout = WIDE,
    palette: Palette = THEMED,
    is_interactive: bool = False,
) -> str:
    """Draw the way from the base value to the margin of one prediction.

    Parameters
    ----------
    steps : sequence of Step
        Bars in the order they are drawn; their sum ends at the prediction's margin.
    base_value : float
        Where the first bar starts, in log-odds.
    captions : Captions
        Title and the names of both ends.
    layout, palette
        Measures and colours.
    is_interactive : bool
        For a page: every bar can be reached by keyboard and reads its figures out; the page's
        style sheet shows the reading (class ``reading``) of the bar in hand.

    Returns
    -------
    str
        A complete ``<svg>`` element; text in labels is escaped.
    """
    return _Drawing(steps, base_value, captions, layout, palette, is_interactive).svg()


class _Drawing:
    """One picture in the making."""

    def __init__(
        self,
        steps: Sequence[Step],
        base_value: float,
        captions: Captions,
        layout: Layout,
        palette: Palette,
        is_interactive: bool,
    ) -> None:
        self.steps = steps
        self.captions = captions
        self.layout = layout
        self.palette = palette
        self.is_interactive = is_interactive
        self.ends = [base_value]
        for step in steps:
            self.ends.append(self.ends[-1] + step.value)
        self.low = min(self.ends)
        self.span = (max(self.ends) - self.low) or 1.0
        self.foot = TOP + layout.row_height * len(steps)
        self.height = self.foot + BOTTOM + (READING_HEIGHT if is_interactive else 0)

    def x(self, margin: float) -> float:
        room = self.layout.width - self.layout.label_width - self.layout.value_width
        return self.layout.label_width + room * (margin - self.low) / self.span

    def svg(self) -> str:
        title = escape(self.captions.title)
        role = "group" if self.is_interactive else "img"
        first, last = self.ends[0], self.ends[-1]
        base, result = (
            f"{name} {probability(margin):.1%}"
            for name, margin in ((self.captions.base, first), (self.captions.result, last))
        )
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.layout.width}"'
            f' height="{self.height}" viewBox="0 0 {self.layout.width} {self.height}" role="{role}"'
            f' aria-label="{title}" font-family="system-ui, sans-serif" font-size="13">',
            f"<title>{title}</title>",
            self.end_line(self.x(first)),
            self.text(self.x(first), TOP - 14, base, "middle", self.palette.faint),
            *(self.bar(number, step) for number, step in enumerate(self.steps)),
            self.text(self.x(last), self.foot + 26, result, "middle", self.palette.ink),
            "</svg>",
        ]
        return "".join(parts)

    def end_line(self, x: float) -> str:
        return (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{self.foot + 6}"'
            f' stroke="{self.palette.faint}" stroke-dasharray="3 3"/>'
        )

    def bar(self, number: int, step: Step) -> str:
        start, end = self.x(self.ends[number]), self.x(self.ends[number + 1])
        left, width = min(start, end), max(abs(end - start), 1.0)
        top = TOP + self.layout.row_height * number
        colour = self.palette.up if step.value >= 0 else self.palette.down
        bar_top, bar_height = top + 4, self.layout.row_height - 8
        label = (self.layout.label_width - 10, top + self.layout.row_height * 0.65, "end")
        if self.layout.has_labels_above:
            bar_top, bar_height = top + 20, self.layout.row_height - 24
            label = (0, top + 14, "start")
        middle = bar_top + bar_height / 2 + 4.5
        parts = [
            self.text(label[0], label[1], step.label, label[2], self.palette.ink),
            f'<rect x="{left:.1f}" y="{bar_top:.1f}" width="{width:.1f}" height="{bar_height}"'
            f' rx="2" fill="{colour}"/>',
            self.text(left + width + 6, middle, f"{step.value:+.2f}", "start", colour),
        ]
        return self.group(number, step, parts)

    def group(self, number: int, step: Step, parts: list[str]) -> str:
        """Return one row: a tooltip alone, or what a page needs to read it out."""
        if not self.is_interactive:
            return f"<g><title>{escape(step.label)}: {step.value:+.4f}</title>{''.join(parts)}</g>"
        before, after = (probability(self.ends[number + i]) for i in (0, 1))
        figures = f"{step.value:+.4f}, {before:.2%} → {after:.2%}"
        top = TOP + self.layout.row_height * number
        row = (
            f'<rect class="row" x="0" y="{top}" width="{self.layout.width}"'
            f' height="{self.layout.row_height}" fill="transparent"/>'
        )
        shown = figures if self.layout.has_labels_above else f"{step.label}: {figures}"
        reading = (
            f'<text class="reading" x="0" y="{self.height - 8}" fill="{self.palette.ink}">'
            f"{escape(shown)}</text>"
        )
        spoken = escape(f"{step.label}: {figures}")
        return (
            f'<g class="step" tabindex="0" role="img" aria-label="{spoken}">{row}'
            f"{''.join(parts)}{reading}</g>"
        )

    def text(self, x: float, y: float, text: str, anchor: str, colour: str) -> str:
        inside = min(max(x, END_ROOM), self.layout.width - END_ROOM) if anchor == "middle" else x
        return (
            f'<text x="{inside:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
            f"{escape(text)}</text>"
        )

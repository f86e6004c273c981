"""Reports as PDF, written by fpdf2 in the font that travels with the portal.

Hangul is embedded as a subset of what is used. Tables break over pages under repeated headings;
a character that the font lacks becomes a box.
"""

import io
import logging
from functools import singledispatchmethod
from typing import TYPE_CHECKING, cast

from portal.lib import raster
from portal.lib.documents.blocks import (
    Block,
    Bullets,
    Document,
    Facts,
    Figure,
    Heading,
    Note,
    PageBreak,
    Paragraph,
    Table,
)
from portal.lib.documents.text import clean, shown

if TYPE_CHECKING:
    from fpdf import FPDF

#: Columns from which the whole report lies on its side.
WIDE_TABLE = 8
#: Millimetres and points.
MARGIN, LINE, FOOT = 16.0, 5.2, 14.0
SIZE, SMALL = 9.5, 8.0
HEADINGS = {1: 13.5, 2: 11.5, 3: 10.0}
INK, FAINT, RULE, BAND = (31, 41, 55), (75, 85, 99), (209, 213, 219), (243, 244, 246)
NOTES = {"good": (4, 120, 87), "warn": (146, 64, 14), "bad": (185, 28, 28)}
#: Millimetres of a cell that its text does not have: two paddings, and fpdf2's own margins.
PADDING = 4.2
#: Lines of one row of a table; what is longer goes on in the next. Texts shorter than the second
#: figure have fewer lines in the narrowest column there is.
MAX_LINES, SHORT_CELL = 28, 80
#: Rows whose texts decide the widths of columns.
N_MEASURED = 200
_FAMILY = "report"


def to_pdf(document: Document) -> bytes:
    """Return a report as PDF on A4; on its side when a table has `WIDE_TABLE` columns or more."""
    # A warning for each glyph is no use: what the font lacks was replaced before.
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    sheet = _Sheet(document)
    followers = [*document.blocks[1:], None]
    for block, follower in zip(document.blocks, followers, strict=False):
        if isinstance(block, Heading):
            sheet.keep_with(follower)
        sheet.write(block)
    return sheet.content()


class _Sheet:
    """One report on its way to paper."""

    def __init__(self, document: Document) -> None:
        self.pdf = _opened(document)
        self._pictures: dict[int, bytes] = {}
        self._title(document)

    def content(self) -> bytes:
        """Return the file."""
        return bytes(self.pdf.output())

    def keep_with(self, follower: Block | None) -> None:
        """Begin a page where a heading would stand apart from what follows it."""
        needed = 28.0
        if isinstance(follower, Figure):
            needed += self._measured(follower)[2]
        if self._room() < needed and self.pdf.get_y() > MARGIN + 1:
            self.pdf.add_page()

    @singledispatchmethod
    def write(self, block: Block) -> None:
        """Write one block."""
        raise TypeError(f"{type(block).__name__} is no block of a report.")

    @write.register
    def _heading(self, block: Heading) -> None:
        self.pdf.ln(3.5)
        self._strong(block.text, HEADINGS[block.level])
        self.pdf.ln(1)

    @write.register
    def _paragraph(self, block: Paragraph) -> None:
        self._text(block.text)
        self.pdf.ln(1.5)

    @write.register
    def _bullets(self, block: Bullets) -> None:
        for item in block.items:
            self._text(item, indent=5, mark="•")
        self.pdf.ln(1.5)

    @write.register
    def _facts(self, block: Facts) -> None:
        pdf = self.pdf
        for name, value in block.facts:
            if self._room() < LINE * 2:
                pdf.add_page()
            pdf.set_font(_FAMILY, size=SMALL)
            pdf.set_text_color(*FAINT)
            top = pdf.get_y()
            pdf.multi_cell(48, LINE, _said(name), new_x="LMARGIN", new_y="NEXT", align="L")
            below, page = pdf.get_y(), pdf.page
            if pdf.page == page:
                pdf.set_y(top)
            self._text(shown(value), indent=50)
            pdf.set_y(max(pdf.get_y(), below if pdf.page == page else 0))
        pdf.ln(1.5)

    @write.register
    def _note(self, block: Note) -> None:
        pdf = self.pdf
        colour = NOTES[block.kind]
        pdf.set_font(_FAMILY, size=SIZE)
        pdf.set_text_color(*colour)
        pdf.set_draw_color(*colour)
        with pdf.local_context(line_width=0.8, fill_color=BAND):
            pdf.multi_cell(
                0,
                LINE + 1.2,
                _said(block.text),
                border="L",
                fill=True,
                new_x="LMARGIN",
                new_y="NEXT",
                align="L",
            )
        pdf.ln(2)

    @write.register
    def _figure(self, block: Figure) -> None:
        pdf = self.pdf
        picture, width, height = self._measured(block)
        if self._room() < height + 12:
            pdf.add_page()
        pdf.image(io.BytesIO(picture), w=width, h=height, alt_text=_said(block.alt))
        self._text(block.caption, size=SMALL, colour=FAINT)
        pdf.ln(2)

    @write.register
    def _page_break(self, block: PageBreak) -> None:
        self.pdf.add_page()

    @write.register
    def _table(self, block: Table) -> None:
        from fpdf.fonts import FontFace  # noqa: PLC0415 - the web process loads no PDF writer

        pdf = self.pdf
        if block.caption:
            self._text(block.caption, size=SMALL, colour=FAINT)
        if self._room() < 24:
            pdf.add_page()
        rows = [[_said(shown(value)) for value in row] for row in block.rows]
        heads = [_said(column.heading) for column in block.columns]
        pdf.set_font(_FAMILY, size=SMALL)
        pdf.set_text_color(*INK)
        pdf.set_draw_color(*RULE)
        widths = self._widths([heads, *rows[:N_MEASURED]])
        lines = [part for row in (heads, *rows) for part in self._parted(row, widths)]
        with pdf.table(
            width=pdf.epw,
            col_widths=widths,
            text_align=tuple(column.align.upper() for column in block.columns),
            line_height=SMALL * 0.53,
            padding=0.7,
            borders_layout="HORIZONTAL_LINES",
            headings_style=FontFace(fill_color=BAND, color=INK),
            wrapmode="WORD",
        ) as table:
            for line in lines:
                table.row(line)
        pdf.ln(3)

    def _measured(self, block: Figure) -> tuple[bytes, float, float]:
        """Return a picture as PNG with its width and height on this paper; drawn once."""
        key = id(block)
        if key not in self._pictures:
            self._pictures[key] = raster.png(raster.shown(block.svg))
        picture = self._pictures[key]
        tall, wide = _size(picture)
        width = min(self.pdf.epw, 178.0)
        height, limit = width * tall / wide, self.pdf.eph - 40
        if height > limit:
            width, height = width * limit / height, limit
        return picture, width, height

    def _widths(self, rows: list[list[str]]) -> tuple[float, ...]:
        """Return the widths of columns, as their texts need."""
        needed = [
            max(self.pdf.get_string_width(line) for text in column for line in text.split("\n"))
            + PADDING
            for column in zip(*rows, strict=True)
        ]
        return _shared(needed, self.pdf.epw)

    def _parted(self, row: list[str], widths: tuple[float, ...]) -> list[list[str]]:
        """Return a row as one or more that each fit a page."""
        if all(len(text) < SHORT_CELL and text.count("\n") < MAX_LINES for text in row):
            return [row]
        wrapped = [
            cast(
                "list[str]",
                self.pdf.multi_cell(width - PADDING, text=text, dry_run=True, output="LINES"),
            )
            for text, width in zip(row, widths, strict=True)
        ]
        tallest = max(len(lines) for lines in wrapped)
        return [
            ["\n".join(lines[at : at + MAX_LINES]) or " " for lines in wrapped]
            for at in range(0, tallest, MAX_LINES)
        ]

    def _title(self, document: Document) -> None:
        self._strong(document.title, 18)
        self.pdf.ln(1.5)
        if document.facts:
            self._facts(Facts(document.facts))

    def _strong(self, text: str, size: float) -> None:
        """Write a line with a stroke around its letters: the font has one weight."""
        from fpdf.enums import TextMode  # noqa: PLC0415 - the web process loads no PDF writer

        self.pdf.set_font(_FAMILY, size=size)
        self.pdf.set_text_color(*INK)
        self.pdf.set_draw_color(*INK)
        with self.pdf.local_context(text_mode=TextMode.FILL_STROKE, line_width=0.12):
            self.pdf.multi_cell(
                0, size * 0.5, _said(text), new_x="LMARGIN", new_y="NEXT", align="L"
            )

    def _text(
        self,
        text: str,
        *,
        indent: float = 0,
        mark: str = "",
        size: float = SIZE,
        colour: tuple[int, int, int] = INK,
    ) -> None:
        pdf = self.pdf
        pdf.set_font(_FAMILY, size=size)
        pdf.set_text_color(*colour)
        if mark:
            pdf.cell(indent, LINE, mark, align="R")
        pdf.set_left_margin(MARGIN + indent)
        pdf.multi_cell(0, LINE, _said(text), new_x="LMARGIN", new_y="NEXT", align="L")
        pdf.set_left_margin(MARGIN)
        pdf.set_x(MARGIN)

    def _room(self) -> float:
        return float(self.pdf.h - self.pdf.b_margin - self.pdf.get_y())


def _opened(document: Document) -> "FPDF":
    from fpdf import FPDF  # noqa: PLC0415 - the web process loads no PDF writer

    title = _said(document.title).replace("\n", " ")

    class Paper(FPDF):
        """Pages with the title above and their number below."""

        def header(self) -> None:
            """Write the title on every page but the first."""
            if self.page_no() == 1:
                return
            self.set_font(_FAMILY, size=SMALL)
            self.set_text_color(*FAINT)
            self.set_y(MARGIN / 2)
            self.cell(0, LINE, _cut(self, title), new_x="LMARGIN", new_y="NEXT")
            self.set_y(MARGIN)

        def footer(self) -> None:
            """Write the number of the page and of all."""
            self.set_font(_FAMILY, size=SMALL)
            self.set_text_color(*FAINT)
            self.set_y(-FOOT)
            self.cell(0, LINE, f"{self.page_no()} / {{nb}}", align="C")

    is_wide = any(isinstance(b, Table) and len(b.columns) >= WIDE_TABLE for b in document.blocks)
    pdf = Paper(orientation="landscape" if is_wide else "portrait", format="A4")
    pdf.add_font(_FAMILY, fname=raster.FONT)
    pdf.set_margins(MARGIN, MARGIN)
    pdf.set_auto_page_break(True, FOOT + 4)
    pdf.set_title(title)
    pdf.set_lang(_said(document.language))
    pdf.set_creator("Millwright")
    pdf.add_page()
    return pdf


def _shared(needed: list[float], room: float) -> tuple[float, ...]:
    """Share a room among columns: those that need less than an even share get what they need."""
    if sum(needed) <= room:
        return tuple(one * room / sum(needed) for one in needed)
    widths, left = [0.0] * len(needed), room
    order = sorted(range(len(needed)), key=lambda place: needed[place])
    for rank, place in enumerate(order):
        widths[place] = min(needed[place], left / (len(order) - rank))
        left -= widths[place]
    return tuple(widths)


def _cut(pdf: "FPDF", text: str) -> str:
    while text and pdf.get_string_width(text) > pdf.epw:
        text = text[: -max(1, len(text) // 20)]
    return text


def _said(text: str) -> str:
    """Return a text that the font can show, never empty: a cell of nothing has no height."""
    return raster.shown(clean(text)) or " "


def _size(picture: bytes) -> tuple[int, int]:
    """Return height and width of a PNG."""
    return int.from_bytes(picture[20:24]), int.from_bytes(picture[16:20])

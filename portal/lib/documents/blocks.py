"""What a report is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from portal.lib import charts

#: A cell of a table: numbers are shown rounded, None as a dash; JSON keeps them as they are.
Value = str | int | float | None


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the greatest below the title, 3 the least."""

    text: str
    level: Literal[1, 2, 3] = 1


@dataclass(frozen=True)
class Paragraph:
    """Running text; line breaks are kept."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list without an order."""

    items: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    facts: Sequence[tuple[str, Value]]


@dataclass(frozen=True)
class Column:
    """A column of a table; its unit stands behind its name."""

    name: str
    unit: str = ""
    align: Literal["left", "right", "center"] = "left"

    @property
    def heading(self) -> str:
        """The name with the unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class Table:
    """Rows under columns.

    Raises
    ------
    ValueError
        If there is no column, or a row has more or fewer values than there are columns.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    caption: str = ""

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError("A table has at least one column.")
        for place, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"Row {place} of the table has {len(row)} values, its columns are "
                    f"{len(self.columns)}: {row!r:.200}"
                )


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes
    ----------
    svg : str
        One element with width and height, made by ourselves: it goes into pages as it is.
    plotly : dict or None
        A Plotly figure (``data``, ``layout``) that a page shows in place of the SVG.
    alt : str
        What the picture shows, for readers who do not see it.
    """

    svg: str
    caption: str
    alt: str
    plotly: dict[str, Any] | None = None

    @classmethod
    def of(cls, chart: charts.Chart, *, caption: str, alt: str) -> Self:
        """Return the figure of a chart, with both of its drawings."""
        return cls(charts.svg(chart), caption, alt, charts.plotly(chart))


@dataclass(frozen=True)
class Note:
    """A sentence that stands out."""

    kind: Literal["good", "warn", "bad"]
    text: str


@dataclass(frozen=True)
class PageBreak:
    """A new page on paper."""


Block = Heading | Paragraph | Bullets | Facts | Table | Figure | Note | PageBreak


@dataclass(frozen=True)
class Document:
    """A report.

    Attributes
    ----------
    title : str
    language : str
        Of its text, as in ``ko`` or ``en``.
    facts : sequence of (str, Value)
        What it is about, shown below the title.
    blocks : sequence of Block
    """

    title: str
    language: str
    facts: Sequence[tuple[str, Value]] = ()
    blocks: Sequence[Block] = ()

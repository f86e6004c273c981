"""Reports as plain data, and their renderings: HTML, PDF, Markdown and JSON.

    from portal.lib import charts
    from portal.lib.documents import Column, Document, Figure, Heading, Note, Table, render

    report = Document(
        title="주간 모델 보고서",
        language="ko",
        facts=(("모델", "quality"), ("기간", "11.01.-11.07.")),
        blocks=(
            Note("good", "모든 목표를 지켰습니다."),
            Heading("지연 시간"),
            Figure.of(chart, caption="p95", alt="p95 by day"),
            Table((Column("날짜"), Column("p95", unit="ms", align="right")), rows),
        ),
    )
    content, content_type, suffix = render(report, "pdf")

Strings are plain text: what looks like markup is shown, not read.
"""

from collections.abc import Callable

from portal.lib.documents.blocks import (
    Block,
    Bullets,
    Column,
    Document,
    Facts,
    Figure,
    Heading,
    Note,
    PageBreak,
    Paragraph,
    Table,
    Value,
)
from portal.lib.documents.page import to_html
from portal.lib.documents.paper import to_pdf
from portal.lib.documents.plain import to_json, to_markdown

__all__ = [
    "FORMATS",
    "Block",
    "Bullets",
    "Column",
    "Document",
    "Facts",
    "Figure",
    "Heading",
    "Note",
    "PageBreak",
    "Paragraph",
    "Table",
    "Value",
    "render",
    "to_html",
    "to_json",
    "to_markdown",
    "to_pdf",
]

_TEXTS: dict[str, tuple[Callable[[Document], str], str]] = {
    "html": (to_html, "text/html; charset=utf-8"),
    "md": (to_markdown, "text/markdown; charset=utf-8"),
    "json": (to_json, "application/json"),
}
#: What `render` makes, by the ending of the file.
FORMATS = ("html", "pdf", "md", "json")


def render(document: Document, kind: str) -> tuple[bytes, str, str]:
    """Return a report in one of `FORMATS`: content, content type and the file's ending.

    Raises
    ------
    KeyError
        If there is no such format.
    """
    if kind == "pdf":
        return to_pdf(document), "application/pdf", kind
    write, content_type = _TEXTS[kind]
    return write(document).encode(), content_type, kind

"""Reports as one HTML file that needs nothing else: no style sheet, script or font of elsewhere.

Its own policy forbids every request, so that a report opened years later on any machine asks
nobody. Plotly's script (4.5 MB) is in the file once, and only when a figure is interactive; without
scripts, and on paper, the static drawing is shown.
"""

import json
from functools import singledispatch
from html import escape
from importlib import resources

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

_ASSETS = resources.files("portal.lib.documents")
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)


def to_html(document: Document) -> str:
    """Return a report as one file for a browser, light or dark as the reader likes."""
    is_interactive = any(isinstance(one, Figure) and one.plotly for one in document.blocks)
    style = (_ASSETS / "report.css").read_text("utf-8")
    body = "\n".join(_written(block) for block in document.blocks)
    return (
        f'<!doctype html>\n<html lang="{_said(document.language)}">\n<head>\n'
        '<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_said(document.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{_said(document.title)}</h1>\n{_facts(Facts(document.facts))}</header>\n"
        f"<main>\n{body}\n</main>\n{_scripts() if is_interactive else ''}</body>\n</html>\n"
    )


def _scripts() -> str:
    library = (resources.files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")
    start = (_ASSETS / "report.js").read_text("utf-8")
    library = library.replace("</script", r"<\/script")
    return f"<script>{library}</script>\n<script>\n{start}</script>\n"


@singledispatch
def _written(block: Block) -> str:
    raise TypeError(f"{type(block).__name__} is no block of a report.")


@_written.register
def _heading(block: Heading) -> str:
    return f"<h{block.level + 1}>{_said(block.text)}</h{block.level + 1}>"


@_written.register
def _paragraph(block: Paragraph) -> str:
    return f"<p>{_lines(block.text)}</p>"


@_written.register
def _bullets(block: Bullets) -> str:
    return "<ul>" + "".join(f"<li>{_lines(item)}</li>" for item in block.items) + "</ul>"


@_written.register
def _facts(block: Facts) -> str:
    if not block.facts:
        return ""
    pairs = "".join(
        f"<div><dt>{_said(name)}</dt><dd>{_lines(shown(value))}</dd></div>"
        for name, value in block.facts
    )
    return f"<dl>{pairs}</dl>\n"


@_written.register
def _table(block: Table) -> str:
    caption = f"<caption>{_said(block.caption)}</caption>" if block.caption else ""
    head = "".join(
        f'<th scope="col" class="{column.align}">{_said(column.heading)}</th>'
        for column in block.columns
    )
    rows = "\n".join(
        "<tr>"
        + "".join(
            f'<td class="{column.align}">{_lines(shown(value))}</td>'
            for column, value in zip(block.columns, row, strict=True)
        )
        + "</tr>"
        for row in block.rows
    )
    # Wide tables scroll by keyboard too.
    return (
        f'<div class="wide" tabindex="0"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>\n{rows}</tbody></table></div>"
    )


@_written.register
def _figure(block: Figure) -> str:
    live = ""
    if block.plotly:
        content = json.dumps(block.plotly, ensure_ascii=True).replace("<", r"\u003c")
        live = f'<script type="application/json">{content}</script><div class="live" hidden></div>'
    return (
        f'<figure><div class="still" role="img" aria-label="{_said(block.alt)}">{block.svg}</div>'
        f"{live}<figcaption>{_lines(block.caption)}</figcaption></figure>"
    )


@_written.register
def _note(block: Note) -> str:
    return f'<p class="note {block.kind}">{_lines(block.text)}</p>'


@_written.register
def _page_break(block: PageBreak) -> str:
    return '<div class="break"></div>'


def _said(text: str) -> str:
    return escape(clean(text))


def _lines(text: str) -> str:
    return _said(text).replace("\n", "<br>")

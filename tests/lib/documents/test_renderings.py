"""One report as HTML, PDF, Markdown and JSON."""

import io
import json

import pytest
from markdown_it import MarkdownIt
from pypdf import PdfReader
from selectolax.lexbor import LexborHTMLParser as HTMLParser
from selectolax.lexbor import LexborNode

from portal.lib import charts
from portal.lib.documents import (
    FORMATS,
    Block,
    Bullets,
    Column,
    Document,
    Facts,
    Figure,
    Heading,
    Note,
    Paragraph,
    Table,
    render,
    to_html,
    to_json,
    to_markdown,
    to_pdf,
)
from tests.lib.documents.samples import LINES, NASTY, report


def first(tree: HTMLParser, selector: str) -> LexborNode:
    found = tree.css_first(selector)
    assert found is not None
    return found


def said(tree: HTMLParser, selector: str) -> str:
    return first(tree, selector).text()


def pages(document: Document) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(to_pdf(document))).pages]


def test_a_page_asks_nobody_for_anything() -> None:
    tree = HTMLParser(to_html(report()))

    for node in tree.css("*"):
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert "//" not in (node.attributes.get(name) or "")
    assert not tree.css("img, iframe, object, link, a, base")
    policy = first(tree, "meta[http-equiv]").attributes["content"] or ""
    assert "default-src 'none'" in policy


def test_what_looks_like_markup_is_shown() -> None:
    tree = HTMLParser(to_html(report(Paragraph(NASTY), Heading(NASTY), Note("bad", NASTY))))

    assert said(tree, "main p").startswith("</script><img src=http://evil.example/x")
    assert "\\x1b[31m" in said(tree, "main h2")
    assert "\u202e" not in (tree.html or "")


def test_plotly_is_in_a_page_once_and_only_for_figures() -> None:
    figure = Figure.of(LINES, caption="지연", alt="지연의 그림")

    without, twice = to_html(report(Paragraph("글"))), to_html(report(figure, figure))

    assert len(without) < 20_000
    assert len(HTMLParser(without).css("script")) == 0
    tree = HTMLParser(twice)
    assert len(tree.css("script:not([type])")) == 2  # the library and our start of it
    specs = [json.loads(one.text()) for one in tree.css('script[type="application/json"]')]
    assert [len(spec["data"]) for spec in specs] == [4, 4]
    assert specs[0]["data"][2]["text"][0].startswith("&lt;/script&gt;")


def test_a_page_knows_its_language_and_names_its_pictures() -> None:
    tree = HTMLParser(to_html(report(facts=(("캠페인", "빠른"),))))

    assert first(tree, "html").attributes["lang"] == "ko"
    assert said(tree, "title") == "벤치마크 보고서"
    assert said(tree, "header dd") == "빠른"
    labels = [one.attributes["aria-label"] for one in tree.css(".still")]
    assert labels == ["지연의 그림"] * 5
    assert said(tree, "td.right") == "1.235"
    assert [one.text() for one in tree.css("td.right")][1:] == ["–", "1,234,567"]  # noqa: RUF001 - a dash


def test_korean_is_read_back_out_of_a_pdf() -> None:
    text = "\n".join(pages(report(facts=(("캠페인", "빠른 측정"),))))

    for words in (
        "벤치마크 보고서",
        "빠른 측정",
        "모든 목표를 지켰습니다.",
        "둘째 줄입니다.",
        "셀마다 한 줄",
    ):
        assert words in text
    assert "p50 (ms)" in text
    assert "1.235" in text


def test_what_the_font_lacks_is_a_box() -> None:
    (page,) = pages(report(Paragraph("가뷁나😀다漢라")))

    assert "가□나□다□라" in page


def test_a_long_table_breaks_over_pages_under_its_heading() -> None:
    rows = [(f"셀 {at}", at * 1.5) for at in range(300)]
    table = Table((Column("이름"), Column("시간", unit="초", align="right")), rows)

    found = pages(report(table))

    assert len(found) > 4
    assert all("시간 (초)" in page for page in found)
    assert all("벤치마크 보고서" in page for page in found)
    assert f"{len(found)} / {len(found)}" in found[-1]
    assert "셀 299" in found[-1]


def test_a_row_too_tall_for_a_page_goes_on_in_the_next() -> None:
    table = Table((Column("가"), Column("나")), [["".join(f"줄 {n}\n" for n in range(200)), "끝"]])

    text = "\n".join(pages(report(table)))

    assert all(f"줄 {n}\n" in text + "\n" for n in (0, 50, 100, 199))
    assert text.count("끝") == 1


def test_a_wide_table_lies_on_its_side() -> None:
    table = Table([Column(f"열 {at}") for at in range(14)], [["말" * 40] * 14])

    (page, *_) = PdfReader(io.BytesIO(to_pdf(report(table)))).pages

    assert page.mediabox.width > page.mediabox.height


@pytest.mark.parametrize(
    "block",
    [
        Table((Column(""),), []),
        Table((Column("가"),), [["x" * 5_000]]),
        Table((Column("가"), Column("나")), [["줄\n" * 200, ""]]),
        Facts(()),
        Bullets(()),
        Paragraph(""),
        Heading("긴 제목 " * 60),
        Figure.of(charts.Bars(charts.Axes(), [], []), caption="", alt=""),
        Figure.of(
            charts.Bars(charts.Axes(), [f"셀 {n}" for n in range(60)], [1.0] * 60),
            caption="",
            alt="",
        ),
    ],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("kind", FORMATS)
def test_blocks_at_their_limits_are_written(block: Block, kind: str) -> None:
    content, content_type, ending = render(report(block), kind)

    assert content
    assert content_type
    assert ending == kind


def test_markdown_says_the_same_and_keeps_its_tables() -> None:
    page = HTMLParser(MarkdownIt("commonmark").enable("table").render(to_markdown(report())))

    assert said(page, "h1") == "벤치마크 보고서"
    assert [len(row.css("td")) for row in page.css("tbody tr")] == [3, 3, 3]
    assert page.css("tbody td")[2].text().startswith("</script><img src=http://evil.example/x")
    assert "|*굵게*_" in page.css("tbody td")[2].text()
    assert not page.css("img, script, em em, a")


def test_json_holds_numbers_as_they_are() -> None:
    content = json.loads(to_json(report()))

    table = content["blocks"][-1]
    assert table["block"] == "table"
    assert table["rows"][0][1] == 1.23456
    assert table["rows"][2] == [NASTY, 1_234_567, None]
    assert content["language"] == "ko"


def test_halves_of_pairs_are_written_out() -> None:
    for kind in FORMATS:
        content, _, _ = render(report(Paragraph("가\ud800나")), kind)
        assert kind == "pdf" or b"\\ud800" in content


def test_a_row_that_does_not_fit_its_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="Row 0 of the table has 1 values, its columns are 2"):
        Table((Column("a"), Column("b")), [["x"]])
    with pytest.raises(ValueError, match="at least one column"):
        Table((), [])

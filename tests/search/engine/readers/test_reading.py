"""Every kind of file, good and bad."""

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.engine.documents import CODE, HEADING, ITEM, PARAGRAPH, TABLE, Document
from search.engine.problems import ReadingError
from search.engine.readers.limits import Limits
from search.engine.readers.reading import kinds, read
from tests.search.engine.readers import files

MARKDOWN = """---
title: "기공 핸드북"
---
# 기공
기공은 [용탕](https://example.com)에 **공기**가
말려든 것이다.

## 원인
- 고속 전환이 빠르다

| 인자 | 범위 |
|---|---|
| 속도 | `2.8m/s` |

```
x  = 1
```
"""
PAGE = """<!doctype html><html><head><title>소착</title><style>p{}</style></head><body>
<nav>메뉴</nav><h1>소착</h1>앞말<p>금형에 <b>눌어</b>붙는다.</p><ul><li>하나<li>둘</ul>
<table><tr><th>인자<th>값</tr><tr><td>온도<td>180</tr></table><script>alert(1)</script></body></html>"""


def _kinds(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in document.blocks]


def test_markdown_becomes_blocks_under_their_headings() -> None:
    document = read(MARKDOWN.encode(), name="a.md")
    assert document.title == "기공 핸드북"
    assert _kinds(document) == [
        (HEADING, "기공"),
        (PARAGRAPH, "기공은 용탕에 공기가 말려든 것이다."),
        (HEADING, "원인"),
        (ITEM, "고속 전환이 빠르다"),
        (TABLE, "인자 | 범위\n속도 | 2.8m/s"),
        (CODE, "x  = 1"),
    ]
    assert document.blocks[-1].headings == ("기공", "원인")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp949"])
def test_html_is_read_in_any_encoding(encoding: str) -> None:
    document = read(PAGE.encode(encoding), name="a.html")
    assert document.title == "소착"
    assert _kinds(document) == [
        (HEADING, "소착"),
        (PARAGRAPH, "앞말"),
        (PARAGRAPH, "금형에 눌어붙는다."),
        (ITEM, "하나"),
        (ITEM, "둘"),
        (TABLE, "인자 | 값\n온도 | 180"),
    ]


@pytest.mark.parametrize(
    "tags",
    [
        "<p/>",
        "<li>",
        '<a name="x">',
        '<a name="x"/>',
        "<span class='icon'/>",
        "<svg><path d='M0 0' /></svg>",
        "<svg><g><circle r=1 /></g></svg><use href='#a'/>",
        "<ruby>金<rt>きん</ruby>",
        "<script>if (a<b) document.write('<div>')</script>",
        "<frame><image src=x><br/></br>",
    ],
)
def test_tags_that_nest_nothing_may_be_many(tags: str) -> None:
    document = read(f"<body><h1>소착</h1>{tags * 3_000}<p>끝말".encode(), name="a.html")
    assert (document.blocks[0].text, document.blocks[-1].text) == ("소착", "끝말")


def test_an_unclosed_quotation_mark_is_found_by_its_line() -> None:
    rows = ["a,b", *(f"{n},x" for n in range(9)), '9,"open', *("more,text" for _ in range(20_000))]
    with pytest.raises(ReadingError, match=r"more than 131072 characters .* begins at line 11:"):
        read("\n".join(rows).encode(), name="a.csv")


def test_pdf_is_read_page_by_page() -> None:
    document = read(files.pdf("기공은 가스 때문이다.", "Porosity is gas."), name="a.pdf")
    assert [(block.text, block.page) for block in document.blocks] == [
        ("기공은 가스 때문이다.", 1),
        ("Porosity is gas.", 2),
    ]


def test_a_pdf_that_anyone_may_open_is_read() -> None:
    document = read(files.encrypted_pdf("Free to read.", ""), name="a.pdf")
    assert document.text == "Free to read."


def test_docx_keeps_headings_items_and_merged_cells() -> None:
    document = read(files.word(title="소착 대책"), name="a.docx")
    assert document.title == "소착 대책"
    assert _kinds(document) == [
        (HEADING, "소착"),
        (PARAGRAPH, "용탕이 금형에 눌어붙는 현상이다."),
        (HEADING, "대책"),
        (ITEM, "이형제를 고르게 뿌린다."),
        (TABLE, "인자 | 하한 | 상한\n금형온도 | 180℃"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_rows_name_their_columns(delimiter: str) -> None:
    rows = ["불량,원인", "기공,가스", ",", '수축,"증압\n부족"']
    document = read("\n".join(rows).replace(",", delimiter).encode("cp949"), name="a.csv")
    assert [block.text for block in document.blocks] == [
        "불량: 기공; 원인: 가스",
        "불량: 수축; 원인: 증압 부족",
    ]


def test_text_is_named_after_its_file() -> None:
    document = read(BytesIO("첫 문단\n이어짐\n\n둘째".encode()), name="메모.txt")
    assert document.title == "메모"
    assert [block.text for block in document.blocks] == ["첫 문단 이어짐", "둘째"]


def test_a_media_type_says_what_the_name_does_not() -> None:
    assert read(b"# One", name="upload", content_type="text/markdown; x").kind == "markdown"


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"", "a.md", "empty_file"),
        (b" \n ", "a.txt", "empty_file"),
        (b"plain", "a.xyz", "unknown_kind"),
        (b"PK\x03\x04rest", "a.xlsx", "unknown_kind"),
        (b"not one", "a.pdf", "not_what_it_says"),
        (b"%PDF-1.7\n%%EOF", "a.pdf", "unreadable"),
        (files.pdf("x")[:200], "a.pdf", "unreadable"),
        (files.pdf(""), "a.pdf", "no_text"),
        (files.encrypted_pdf("Secret.", "pass"), "a.pdf", "encrypted"),
        (b"not one", "a.docx", "not_what_it_says"),
        (files.archive({"a.txt": b"x"}), "a.docx", "not_what_it_says"),
        (files.word()[:500], "a.docx", "unreadable"),
        (files.archive({"word/document.xml": b"<a"}), "a.docx", "unreadable"),
        (files.lying_archive(1_000_000), "a.docx", "unreadable"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "a.docx",
         "encrypted"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "a.docx", "not_what_it_says"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a.txt", "binary"),
        (b"MZ\x90\x00\x03", "a.md", "binary"),
        (b"caf\xe9 \xff\xff", "a.txt", "wrong_encoding"),
        (b"\xff\xfe\x00", "a.txt", "wrong_encoding"),
        (b"<div>" * 5_000 + b"x", "a.html", "too_deep"),
        (b"<div></i>" * 5_000 + b"x", "a.html", "too_deep"),
        (b"<p-card>" * 5_000 + b"x", "a.html", "too_deep"),
        (b"<b><div></b>" * 5_000 + b"x", "a.html", "too_deep"),
        (b"a,b\n1,2\n" + b"x" * 140_000 + b",1", "a.csv", "cell_too_long"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_a_reason(data: bytes, name: str, code: str) -> None:
    with pytest.raises(ReadingError) as caught:
        read(data, name=name)
    assert caught.value.code == code
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("data", "name", "limits", "code"),
    [
        (b"x" * 11, "a.txt", Limits(max_bytes=10), "too_large"),
        (b"x" * 11, "a.txt", Limits(max_chars=10), "too_long"),
        (b"- xxx\n" * 9, "a.md", Limits(max_chars=10), "too_long"),
        (b"<p>xxxxx</p>" * 9, "a.html", Limits(max_chars=30), "too_long"),
        (b"a,b\n" * 9, "a.csv", Limits(max_rows=5), "too_long"),
        (files.pdf("a", "b"), "a.pdf", Limits(max_pages=1), "too_long"),
        (files.archive({"word/document.xml": bytes(3 << 20)}), "a.docx", Limits(), "bomb"),
        (files.word(), "a.docx", Limits(max_unpacked_bytes=1_000), "bomb"),
        (files.word(), "a.docx", Limits(max_entries=3), "bomb"),
    ],
)
def test_a_file_beyond_the_limits_is_refused(
    data: bytes, name: str, limits: Limits, code: str
) -> None:
    with pytest.raises(ReadingError) as caught:
        read(data, name=name, limits=limits)
    assert caught.value.code == code


def test_entities_of_a_docx_are_not_expanded() -> None:
    bomb = (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        b"<x>&b;</x>"
    )
    with pytest.raises(ReadingError):
        read(files.archive({"word/document.xml": bomb}), name="a.docx")


def test_a_page_that_cannot_be_read_is_noted_and_the_rest_is_read() -> None:
    document = read(files.pdf("Good page.", "Torn page.", torn=2), name="a.pdf")
    assert document.text == "Good page."
    assert len(document.notes) == 1
    assert document.notes[0].startswith("Page 2 cannot be read")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadingError, match=r"gone\.md"):
        read(tmp_path / "gone.md", name="gone.md")


@given(data=st.binary(max_size=300), name=st.sampled_from([f"a.{one}" for one in
       ("md", "txt", "html", "pdf", "docx", "csv")]))  # fmt: skip
def test_any_bytes_are_read_or_refused(data: bytes, name: str) -> None:
    try:
        document = read(data, name=name)
    except ReadingError as exc:
        assert exc.code  # noqa: PT017 - either outcome is right
    else:
        assert document.has_text
        assert "\x00" not in document.text


def test_the_kinds_are_told() -> None:
    assert kinds() == ("csv", "docx", "html", "markdown", "pdf", "text")

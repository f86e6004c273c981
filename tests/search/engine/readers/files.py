"""Files made in memory: PDFs with a text layer, DOCX with headings and tables, bad ones of each."""

import io
import struct
import zipfile

import docx
from pypdf import PdfReader, PdfWriter


def pdf(*pages: str, torn: int = 0) -> bytes:
    """Return a PDF of one paragraph a page; any script, by a font that only maps to Unicode.

    The page numbered `torn` claims a filter that cannot undo it.
    """
    letters = sorted({letter for page in pages for letter in page})
    codes = {letter: number for number, letter in enumerate(letters, start=1)}
    mapping = "\n".join(
        f"<{code:04x}> <{letter.encode('utf-16-be').hex()}>" for letter, code in codes.items()
    )
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def\n"
        "1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        f"{len(codes)} beginbfchar\n{mapping}\nendbfchar endcmap end end"
    )
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "",
        "<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H"
        " /DescendantFonts [4 0 R] /ToUnicode 5 0 R >>",
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /DW 500"
        " /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>",
        _stream(cmap),
    ]
    kids = []
    for number, page in enumerate(pages, start=1):
        shown = "".join(f"{codes[letter]:04x}" for letter in page)
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {len(objects) + 2} 0 R"
            " /Resources << /Font << /F 3 0 R >> >> >>"
        )
        content = f"BT /F 10 Tf 20 700 Td <{shown}> Tj ET"
        objects.append(_stream(content, "/Filter /NoSuchDecode" if number == torn else ""))
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    return _assembled(objects)


def encrypted_pdf(page: str, password: str) -> bytes:
    """Return a PDF that opens with a password only, or for everyone when it is empty."""
    writer = PdfWriter()
    writer.append(PdfReader(io.BytesIO(pdf(page))))
    writer.encrypt(password, owner_password="owner", algorithm="AES-256")
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def word(*, title: str = "") -> bytes:
    """Return a DOCX with two headings, paragraphs, a list and a table with a merged cell."""
    document = docx.Document()
    document.core_properties.title = title
    document.add_heading("소착", level=1)
    document.add_paragraph("용탕이 금형에 눌어붙는 현상이다.")
    document.add_heading("대책", level=2)
    document.add_paragraph("이형제를 고르게 뿌린다.", style="List Bullet")
    table = document.add_table(rows=2, cols=3)
    for place, text in enumerate(("인자", "하한", "상한")):
        table.cell(0, place).text = text
    table.cell(1, 0).text = "금형온도"
    table.cell(1, 1).merge(table.cell(1, 2)).text = "180℃"
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def archive(parts: dict[str, bytes]) -> bytes:
    """Return a zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in parts.items():
            opened.writestr(name, data)
    return stream.getvalue()


def lying_archive(size: int) -> bytes:
    """Return a DOCX-like zip whose directory says that its main part is of 10 bytes."""
    data = bytearray(archive({"[Content_Types].xml": b"<a/>", "word/document.xml": b"0" * size}))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.rfind(mark)
        data[start + place : start + place + 4] = struct.pack("<I", 10)
    return bytes(data)


def _stream(content: str, more: str = "") -> str:
    return f"<< /Length {len(content)} {more} >>\nstream\n{content}\nendstream"


def _assembled(objects: list[str]) -> bytes:
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    start = len(out)
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    out += f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n{table}".encode()
    out += (
        f"trailer << /Size {len(places) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    )
    return bytes(out)

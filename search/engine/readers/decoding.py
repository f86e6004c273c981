"""Bytes of a text file to text: UTF-8, UTF-16 or CP949, and nothing that is not text."""

import re

from search.engine.problems import ReadingError

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
#: Control characters that no text holds; tab, line ends, form feed and escape may stand.
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
#: Bytes looked at for a UTF-16 text without its mark.
_PROBE_BYTES = 4096
_NUL_SHARE = 0.3


def decoded(data: bytes, name: str) -> str:
    """Return the text of a file.

    Raises
    ------
    ReadingError
        ``binary`` or ``wrong_encoding`` with the first byte that does not fit.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _strictly(data[len(mark) :], encoding, name)
    guessed = _utf16_without_mark(data)
    if guessed:
        return _strictly(data, guessed, name)
    found = _BINARY.search(data)
    if found:
        raise ReadingError("binary", name=name, position=found.start())
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        position = exc.start
    try:
        return data.decode("cp949")
    except UnicodeDecodeError as exc:
        raise ReadingError("wrong_encoding", name=name, position=position) from exc


def _strictly(data: bytes, encoding: str, name: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as exc:
        raise ReadingError("wrong_encoding", name=name, position=exc.start) from exc
    place = text.find("\x00")
    if place >= 0:
        raise ReadingError("binary", name=name, position=place)
    return text


def _utf16_without_mark(data: bytes) -> str:
    """Return the byte order when every other byte is often zero, as in UTF-16 with some ASCII."""
    probe = data[:_PROBE_BYTES]
    if len(probe) < 4 or len(data) % 2:
        return ""
    even, odd = probe[::2].count(0), probe[1::2].count(0)
    enough = _NUL_SHARE * len(probe) / 2
    if odd > enough and not even:
        return "utf-16-le"
    return "utf-16-be" if even > enough and not odd else ""

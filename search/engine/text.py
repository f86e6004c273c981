"""One form for all text: NFC, no lone surrogates, no control characters."""

import re
import unicodedata

_SURROGATES = re.compile("[\ud800-\udfff]")
#: Everything below space but tab and newline, DEL and the C1 block, the byte-order mark.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")


def clean(text: str) -> str:
    r"""Return a text as the engine keeps and compares it.

    Line ends become ``\n``, lone surrogates U+FFFD, control characters vanish and what is left is
    composed (NFC), so that Hangul typed as jamo equals Hangul typed as syllables.
    """
    if _SURROGATES.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROLS.sub("", text)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """Return a text as tokens are taken from it: clean, compatibility-composed, lower case."""
    text = clean(text)
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())

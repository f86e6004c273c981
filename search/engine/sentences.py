"""Where a sentence ends, in Korean and in English."""

import re

#: A stop with what closes it, then a space; or a Korean ending and a stop before the next word.
_MARKS = ".!?\u2026\u3002\uff01\uff1f"
_CLOSERS = "\"')\\]\u2019\u201d\u300d\u300f"
_STOP = re.compile(
    rf"[{_MARKS}]+[{_CLOSERS}]*(?=\s)|(?<=[다요음임함됨까죠])[.!?][{_CLOSERS}]*(?=[가-힣])"
)
#: What ends in a stop without ending a sentence.
_SHORT = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|etc|vs|cf|fig|figs|no|nos|eq|approx|max|min|dr|mr|mrs|ms|prof|ref|sec"
    r"|vol|ed|al|[a-z])\.$",
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"\(?\d{1,3}[.)]+")


def sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph in order; joined by a space they are the paragraph."""
    found: list[str] = []
    start = 0
    for stop in _STOP.finditer(text):
        sentence = text[start : stop.end()].strip()
        if _SHORT.search(sentence[-12:]) or _ORDINAL.fullmatch(sentence):
            continue
        found.append(sentence)
        start = stop.end()
    found.append(text[start:].strip())
    return [one for one in found if one]

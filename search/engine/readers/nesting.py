"""How deep a page nests its tags, told before it is parsed.

Parsing takes time in proportion to depth times tags, so a page of a few megabytes that nests all of
its tags would hold a worker for hours. What a browser closes by itself is not counted. A page that
still looks deep is mended as its author meant it: a tag that is written as closed in itself is
closed, and scripts and styles, which are no text to read, are left out.
"""

import re
from collections import Counter

#: Browsers stop at about 500.
MAX_DEPTH = 1_000
#: As browsers cut them: a name ends at a space, a slash or the end of the tag.
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_VOID = frozenset(
    ("area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "image", "img",
     "input", "keygen", "link", "meta", "param", "source", "track", "wbr")
)  # fmt: skip
#: The next one of its kind, or the end of what they stand in, closes these.
_CLOSED_BY_THE_NEXT = frozenset(
    ("a", "button", "caption", "colgroup", "dd", "dt", "li", "nobr", "optgroup", "option", "p",
     "tbody", "td", "tfoot", "th", "thead", "tr")
)  # fmt: skip
#: As the ones above, but only inside ``<ruby>``.
_OF_RUBY = frozenset(("rb", "rp", "rt", "rtc"))
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'<>=`]+)"""
_CLOSED_IN_ITSELF = re.compile(
    rf"""<([a-zA-Z][a-zA-Z0-9:-]*)(?:\s+[^\s"'<>/=]+(?:\s*=\s*{_VALUE})?)*\s*/>"""
)
_UNREAD = tuple(
    re.compile(rf"<(/?){name}\b[^<>]*>?", re.IGNORECASE) for name in ("script", "style")
)


def bounded(text: str) -> str | None:
    """Return a page that nests no more than `MAX_DEPTH` tags, None when it nests more.

    A page that is not deep as browsers read it is returned as it is.
    """
    if not _is_deep(text):
        return text
    text = _CLOSED_IN_ITSELF.sub(_with_its_end, text)
    for tags in _UNREAD:
        text = _without(text, tags)
    return None if _is_deep(text) else text


def _is_deep(text: str) -> bool:
    """Return whether more than `MAX_DEPTH` tags are open at once."""
    n_open: Counter[str] = Counter()
    depth = 0
    for found in _TAG.finditer(text):
        name = found.group(2).lower()
        if name in _VOID or name in _CLOSED_BY_THE_NEXT:
            continue
        if found.group(1):
            if n_open[name]:
                n_open[name] -= 1
                depth -= 1
            continue
        if name in _OF_RUBY and n_open["ruby"]:
            continue
        n_open[name] += 1
        depth += 1
        if depth > MAX_DEPTH:
            return True
    return False


def _with_its_end(found: re.Match[str]) -> str:
    """Return a tag that is closed in itself with an end of its own, which browsers ask for."""
    name = found.group(1)
    if name.lower() in _VOID or name.lower() in _CLOSED_BY_THE_NEXT:
        return found.group()
    return f"{found.group()}</{name}>"


def _without(text: str, tags: re.Pattern[str]) -> str:
    """Return a page without the elements of a kind whose content is no text."""
    kept, at = [], 0
    while (start := tags.search(text, at)) is not None:
        end = next((one for one in tags.finditer(text, start.end()) if one.group(1)), None)
        if end is None:
            break
        kept.append(text[at : start.start()])
        at = end.end()
    return "".join([*kept, text[at:]])

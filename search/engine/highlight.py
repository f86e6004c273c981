"""The part of a passage that answers a query, with the matching words marked."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from search.engine.tokenizers import is_paired, run_tokens

ELLIPSIS = "…"
#: A snippet may begin so far before its first match, in parts of its length.
_LEAD = 4
_BREAK = re.compile(r"[\s.!?]")


@dataclass(frozen=True)
class Snippet:
    """A cut of a passage.

    Attributes
    ----------
    text : str
        Plain text, nothing escaped.
    ranges : tuple of (int, int)
        Matches as half-open ranges of characters (code points) of `text`, ascending, apart.
    """

    text: str
    ranges: tuple[tuple[int, int], ...]

    @property
    def segments(self) -> list[tuple[str, bool]]:
        """The text in pieces, each with whether it matches."""
        pieces: list[tuple[str, bool]] = []
        last = 0
        for start, stop in self.ranges:
            pieces += [(self.text[last:start], False), (self.text[start:stop], True)]
            last = stop
        pieces.append((self.text[last:], False))
        return [(text, is_match) for text, is_match in pieces if text]

    def html(self) -> str:
        """Return the snippet for a page: escaped, matches in ``<mark>``."""
        return "".join(
            f"<mark>{html.escape(text)}</mark>" if is_match else html.escape(text)
            for text, is_match in self.segments
        )


def snippet(text: str, weights: Mapping[str, float], length: int) -> Snippet:
    """Return the cut of a text that holds most of what a query asks for.

    Parameters
    ----------
    text : str
        Of a passage.
    weights : mapping
        The query's tokens and how much each says.
    length : int
        Greatest number of characters, the marks of omission aside.
    """
    matches = _matches(text, weights)
    start = _best_start(text, matches, length)
    stop = min(len(text), start + length)
    if stop < len(text):
        stop = _back_to_break(text, start, stop)
    before = ELLIPSIS if start else ""
    shift = len(before) - start
    ranges = _merged([(a + shift, b + shift) for a, b, _ in matches if a >= start and b <= stop])
    cut = before + text[start:stop].rstrip() + (ELLIPSIS if stop < len(text) else "")
    return Snippet(cut, tuple(ranges))


def _matches(text: str, weights: Mapping[str, float]) -> list[tuple[int, int, str]]:
    """Return start, end and token of every match, in order."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters grow when lowered; offsets must stay
        lowered = "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
    matches: list[tuple[int, int, str]] = []
    for token in weights:
        place = lowered.find(token)
        if place < 0:
            continue
        is_pair = len(token) > 1 and _is_paired(token)
        while place >= 0:
            stop = place + len(token) if is_pair else _end_of_match(lowered, place, token)
            if stop:
                matches.append((place, stop, token))
            place = lowered.find(token, stop if stop > place else place + 1)
    matches.sort()
    return matches


#: Asked of the same few tokens for every hit of a search.
_is_paired = lru_cache(maxsize=1 << 12)(is_paired)


def _end_of_match(text: str, start: int, token: str) -> int:
    """Return where the word of a match ends, or 0 when the token is but a part of another word."""
    if _is_paired(token):
        stop = start + len(token)
        alone = not is_paired(text[start - 1 : start]) and not is_paired(text[stop : stop + 1])
        return stop if alone else 0
    before = text[start - 1 : start]
    if before.isalpha() and token[0].isalpha() and not is_paired(before):
        return 0
    if before.isdigit() and token[0].isdigit():
        return 0
    stop = start + len(token)
    if not token.isalpha():
        return stop if not (token[-1].isdigit() and text[stop : stop + 1].isdigit()) else 0
    while stop < len(text) and text[stop].isalpha() and not is_paired(text[stop]):
        stop += 1
    return stop if token in run_tokens(text[start:stop]) else 0


def _best_start(text: str, matches: list[tuple[int, int, str]], length: int) -> int:
    """Return where the window with the most distinct tokens begins, led in by a word break."""
    if len(text) <= length or not matches:
        return 0
    best, best_count, left = matches[0][0], 0, 0
    counts: dict[str, int] = {}
    for start, stop, token in matches:
        counts[token] = counts.get(token, 0) + 1
        while stop - matches[left][0] > length * (_LEAD - 1) // _LEAD and matches[left][0] < start:
            gone = matches[left][2]
            counts[gone] -= 1
            if not counts[gone]:
                del counts[gone]
            left += 1
        if len(counts) > best_count:
            best_count, best = len(counts), matches[left][0]
    earliest = max(0, best - length // _LEAD)
    if not earliest:
        return 0
    breaks = [found.end() for found in _BREAK.finditer(text, earliest, best)]
    return breaks[0] if breaks else best


def _back_to_break(text: str, start: int, stop: int) -> int:
    """Return the last word break of the last fifth of a window, or its end."""
    for place in range(stop, stop - (stop - start) // 5, -1):
        if text[place - 1].isspace() or text[place : place + 1].isspace():
            return place
    return stop


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges with those joined that overlap or touch."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found

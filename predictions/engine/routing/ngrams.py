"""Character n-grams of short mixed Korean and English texts."""

import unicodedata
from collections.abc import Iterator

#: Two characters hold a Korean word's stem, four an English syllable; digits stay as they are.
SIZES = (2, 3, 4)


def ngrams(text: str) -> Iterator[str]:
    """Yield the n-grams of every word of a text, word ends marked by a space.

    Parameters
    ----------
    text : str
        Any text; compatibility forms (full width, Ø marks, circled digits) and case are folded.
    """
    for word in unicodedata.normalize("NFKC", text).casefold().split():
        marked = f" {word} "
        for size in SIZES:
            for start in range(len(marked) - size + 1):
                yield marked[start : start + size]

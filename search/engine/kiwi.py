"""Morphemes of the Korean analyser Kiwi, an optional package."""

import threading
from typing import TYPE_CHECKING

from search.engine.problems import EngineError

if TYPE_CHECKING:
    from kiwipiepy import Kiwi

#: Content words: nouns, roots, verb and adjective stems, adverbs, foreign words, numbers, Han.
#: Particles, endings and marks carry no topic.
CONTENT_TAGS = ("NNG", "NNP", "NNB", "NR", "XR", "VV", "VA", "MAG", "SL", "SN", "SH")
#: Keeps morphemes apart from the bigrams of the same letters.
MARK = "\u2060"


class KiwiMorphemes:
    """The content morphemes of a text, each with `MARK` before it."""

    def __init__(self) -> None:
        self._kiwi = _shared()

    def tokens(self, text: str) -> list[str]:
        """Return the content morphemes of a folded text in order."""
        return [
            MARK + morpheme.form.replace(" ", "")
            for morpheme in self._kiwi.tokenize(text)
            if morpheme.tag.partition("-")[0] in CONTENT_TAGS
        ]


_lock = threading.Lock()
_loaded: list["Kiwi"] = []


def _shared() -> "Kiwi":
    """Return the one analyser of this process: it takes about 0.5 GB."""
    with _lock:
        if not _loaded:
            try:
                from kiwipiepy import Kiwi  # noqa: PLC0415 - optional and large
            except ImportError as exc:
                raise EngineError(
                    "package_missing", value="kiwi-bigram-1", package="kiwipiepy"
                ) from exc
            _loaded.append(Kiwi(num_workers=1))
        return _loaded[0]

"""Passages with known answers, and their word counts."""

from collections import Counter
from collections.abc import Iterable, Sequence

from search.engine.answering.questions import tokens
from search.engine.passages import Passage

SOLDERING = Passage(
    "p1",
    "soldering",
    "소착은 금형 표면에 알루미늄이 달라붙는 결함이다. 금형 온도가 300 ℃를 넘으면 잘 생긴다.\n"
    "대책은 이형제를 늘리고 냉각을 강화하는 것이다.",
    title="소착의 원인과 대책",
)
POROSITY = Passage(
    "p2",
    "porosity",
    "기공은 주물 안에 남은 빈 공간이다. 공기 혼입과 수소가 원인이며 진공을 걸면 줄어든다.",
    title="기공",
    headings=("결함",),
)
SAFETY = Passage(
    "p3", "safety", "용탕 가까이에서는 보호 장구를 착용한다. Wear a face shield.", title="안전"
)
PASSAGES = (SOLDERING, POROSITY, SAFETY)


class Counts:
    """Word counts of some passages among others that say nothing of interest."""

    def __init__(self, passages: Sequence[Passage] = PASSAGES, n_others: int = 20) -> None:
        self.n_passages = len(passages) + n_others
        self._counts = Counter(token for one in passages for token in set(tokens(one.searched())))

    def frequencies(self, tokens: Iterable[str]) -> dict[str, int]:
        return {token: self._counts[token] for token in dict.fromkeys(tokens)}

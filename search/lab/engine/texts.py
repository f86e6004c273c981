"""Generated Korean passages about manufacturing, and questions that none of them was made from.

Words of the trade come from the lists below, names of people and firms from Faker (ko_KR). A topic
is a set of terms; a passage draws its sentences from one to three topics, as a page of a manual
does, so that neighbours in meaning exist and vectors are not noise: on random vectors graph
searches fail in ways they never do on texts.
"""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from search.engine.passages import Passage

N_TOPICS = 400
TERMS_OF_TOPIC = 40
N_NAMES = 500
_NOUNS = (
    "용탕", "금형", "게이트", "비스킷", "슬리브", "플런저", "이형제", "냉각수", "사출", "증압",
    "형체", "보온로", "인서트", "오버플로", "런너", "캐비티", "코어핀", "로봇", "트리밍",
    "스프레이", "열전대", "밸브", "합금", "펌프", "개재물", "산화막", "기공", "수축", "균열",
    "소착", "미성형", "탕주름", "치수", "공차", "표면", "도금", "도장", "절삭", "연마", "드릴",
    "공구", "척", "베어링", "스핀들", "윤활유", "필터", "모터", "감속기", "컨베이어", "지그",
    "클램프", "용접", "프레스", "절곡", "압연", "압출", "단조", "열처리", "담금질", "뜨임",
    "경도", "인장", "피로", "부식", "누설", "진동", "소음", "온도", "압력", "속도", "유량",
    "전류", "전압", "토크", "하중", "변형", "잔류응력", "센서", "카메라", "검사", "측정",
    "교정", "시료", "로트", "바코드", "재고", "자재", "발주", "납기", "출하", "포장", "물류",
    "작업자", "교대", "안전", "보호구", "환기", "집진", "폐수", "에너지", "보일러", "압축기",
)  # fmt: skip
_HEADS = (
    "상한", "하한", "편차", "이력", "기준", "설정", "주기", "곡선", "분포", "경로", "간격",
    "두께", "높이", "깊이", "직경", "각도", "비율", "함량", "수명", "마모", "막힘", "과열",
    "저하", "상승", "불량", "결함", "손상", "고장", "경보", "정지", "교체", "청소", "점검",
    "보수", "조정", "시험", "계획", "절차", "일지", "도면",
)  # fmt: skip
_ENGLISH = (
    "porosity", "shrinkage", "die", "gate", "vacuum", "plunger", "cooling", "lubricant",
    "pressure", "sensor", "alarm", "tolerance", "hardness", "fatigue", "spindle", "torque",
    "vibration", "yield",
)  # fmt: skip
_CODES = ("ADC", "AC", "SKD", "STS", "PLC", "E", "M", "KS", "QP", "TC")
_SENTENCES = (
    "{0:은} {1}에 따라 달라지므로 {2:을} 먼저 확인한다.",
    "{0:이} 기준을 벗어나면 {1:을} 멈추고 {2:을} 기록한다.",
    "{0:과} {1}의 관계는 {2} 시험에서 {n}% 이내로 확인되었다.",
    "{0:을} {n}회마다 교체하지 않으면 {1:이} 빨라지고 {2}까지 번진다.",
    "{1}에서 생긴 {0:은} {2}의 원인이 될 수 있다.",
    "{c} 장비는 {0:을} {n}도로 유지하고 {1:을} 매일 점검한다.",
    "{0:이} 높을수록 {1:은} 낮아지며 {2}에는 영향이 적다.",
    "교대 전에 {0}, {1}, {2:을} 순서대로 살핀다.",
    "{0}의 허용 범위는 {n}mm이고 {c} 규격을 따른다.",
    "{0:으로} 인한 {1:은} {2:을} 조정하여 줄인다.",
    "The {e} of {c} depends on {0:과} {1}.",
    "{0:이} 반복되면 {1} 담당자에게 알리고 {2}에 {n}시간 안에 반영한다.",
    "{p} 반장이 {0} {1} 작업을 마치고 {2:을} 일지에 적는다.",
    "{o} 납품분의 {0:은} {1} 시험 뒤에 {2} 창고로 옮긴다.",
)
_QUESTIONS = (
    "{0:이} 기준을 벗어나면 무엇을 해야 하나?",
    "{0:과} {1:은} 어떤 관계인가?",
    "{0:을} 줄이려면 {1:을} 어떻게 조정하나?",
    "{1} 때문에 생기는 {0}의 원인",
    "{0} {1} 점검 순서",
    "{0:은} 얼마나 자주 교체하나?",
    "{c} 장비의 {0} 허용 범위",
    "{0} {1} {2}",
)
_PARTICLES = {"은": "은는", "이": "이가", "을": "을를", "과": "과와", "으로": ("으로", "로")}


class Term(str):
    """A noun that takes the particle its last syllable asks for: ``format(term, "을")``."""

    __slots__ = ()

    def __format__(self, particle: str) -> str:
        if not particle:
            return str(self)
        closed = (ord(self[-1]) - 0xAC00) % 28 if "가" <= self[-1] <= "힣" else 0
        with_final, without = _PARTICLES[particle]
        is_open = not closed or (particle == "으로" and closed == 8)
        return str(self) + (without if is_open else with_final)


@dataclass(frozen=True)
class Corpus:
    """Draws passages and questions from one set of topics.

    Attributes
    ----------
    topics : list of list of Term
        Terms of each topic, the frequent ones first.
    people, firms : list of str
        Invented names.
    """

    topics: Sequence[Sequence[Term]]
    seed: int
    people: Sequence[str]
    firms: Sequence[str]

    @classmethod
    def make(cls, seed: int = 0) -> "Corpus":
        """Draw the topics."""
        generator = np.random.default_rng(seed)
        words = [Term(a + b) for a in _NOUNS for b in _NOUNS if a != b]
        words += [Term(f"{a} {b}") for a in _NOUNS for b in _HEADS]
        order = generator.permutation(len(words))
        popular = 1.0 / (1.0 + np.arange(len(words))) ** 0.6
        chosen = [
            generator.choice(order, size=TERMS_OF_TOPIC, replace=False, p=popular / popular.sum())
            for _ in range(N_TOPICS)
        ]
        people, firms = _names(seed)
        return cls([[words[int(place)] for place in own] for own in chosen], seed, people, firms)

    def passages(self, count: int) -> Iterator[Passage]:
        """Yield passages of 4 to 8 sentences with metadata of known selectivity."""
        generator = np.random.default_rng((self.seed, 1))
        for number in range(count):
            topics = generator.integers(0, N_TOPICS, size=int(generator.integers(1, 4)))
            n_sentences = int(generator.integers(4, 9))
            text = " ".join(
                self._filled(_SENTENCES, int(generator.choice(topics)), generator)
                for _ in range(n_sentences)
            )
            first = int(topics[0])
            yield Passage(
                id=f"p{number}",
                document_id=f"d{number // 5}",
                text=text,
                title=f"{self.topics[first][0]} 지침 {number // 5}",
                taxonomy=f"공정/{first % 20}/{first}",
                content_type=("pdf", "markdown", "docx")[number % 3],
                date=datetime.date(2020, 1, 1) + datetime.timedelta(days=number % 2000),
                position=number % 5,
                metadata={
                    "hundredth": int(generator.integers(0, 100)),
                    "tenth": int(generator.integers(0, 10)),
                    "half": bool(generator.integers(0, 2)),
                },
            )

    def questions(self, count: int) -> list[str]:
        """Return questions drawn apart from any passage."""
        generator = np.random.default_rng((self.seed, 2))
        return [
            self._filled(_QUESTIONS, int(generator.integers(0, N_TOPICS)), generator)
            for _ in range(count)
        ]

    def _filled(self, patterns: Sequence[str], topic: int, generator: np.random.Generator) -> str:
        terms = self.topics[topic]
        places = np.minimum(generator.geometric(0.08, size=3) - 1, len(terms) - 1)
        pattern = patterns[int(generator.integers(0, len(patterns)))]
        code = _CODES[int(generator.integers(0, len(_CODES)))]
        return pattern.format(
            *(terms[int(place)] for place in places),
            n=int(generator.integers(1, 400)),
            c=f"{code}{int(generator.integers(1, 120))}",
            e=_ENGLISH[int(generator.integers(0, len(_ENGLISH)))],
            p=self.people[int(generator.integers(0, len(self.people)))],
            o=self.firms[int(generator.integers(0, len(self.firms)))],
        )


def _names(seed: int) -> tuple[list[str], list[str]]:
    """Return invented names of people and firms."""
    from faker import Faker  # noqa: PLC0415 - only where texts are made

    faker = Faker("ko_KR")
    faker.seed_instance(seed)
    return [faker.name() for _ in range(N_NAMES)], [faker.company() for _ in range(N_NAMES)]

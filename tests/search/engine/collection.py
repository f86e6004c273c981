"""Passages for the tests: twelve written by hand, and as many as wanted put together by a seed."""

import datetime
from collections.abc import Iterator

import numpy as np

from search.engine.passages import Passage, passage_id

_WRITTEN = (
    (
        "기공의 원인",
        "공정/다이캐스팅/기공",
        "기공은 용탕에 공기가 말려들거나 가스가 빠지지 못해 생긴다.",
    ),
    (
        "기공의 대책",
        "공정/다이캐스팅/기공",
        "고속 전환 위치를 늦추고 에어벤트를 넓히면 기공이 줄어든다.",
    ),
    (
        "수축공",
        "공정/다이캐스팅/수축",
        "두꺼운 부위가 늦게 굳으면 수축공이 남으므로 증압을 높인다.",
    ),
    ("탕주름", "공정/다이캐스팅/유동", "금형온도가 낮으면 탕주름과 미성형이 생긴다."),
    ("소착", "금형/수명", "ADC12 합금이 게이트 근처의 SKD61 금형에 눌어붙는 것을 소착이라 한다."),
    ("이형제", "금형/이형제", "이형제를 너무 많이 뿌리면 수분이 남아 기공의 원인이 된다."),
    ("Porosity", "공정/다이캐스팅/기공", "Gas porosity comes from air trapped in the shot sleeve."),
    (
        "Shrinkage",
        "공정/다이캐스팅/수축",
        "Shrinkage voids appear where thick walls solidify last.",
    ),
    ("Sensors", "설비/센서", "The cavity pressure sensor saturates at 1,250 bar."),
    (
        "Vacuum",
        "설비/진공",
        "A vacuum valve evacuates the die cavity below 50 mbar before filling.",
    ),
    ("안전", "안전/작업", "용탕에 젖은 공구를 넣으면 수증기 폭발이 일어난다 🔥."),
    ("공차", "설계/공차", "나사 구멍 M6x1.0의 위치 공차는 0.2mm 이내이다."),
)
_NOUNS = (
    "용탕", "금형", "게이트", "비스킷", "슬리브", "플런저", "이형제", "냉각수", "사출속도", "증압",
    "형체력", "보온로", "인서트", "오버플로", "런너", "캐비티", "코어핀", "취출로봇", "트리밍",
    "스프레이", "열전대", "유압밸브", "어큐뮬레이터", "합금", "개재물", "산화막",
)  # fmt: skip
_VERBS = ("높이면", "낮추면", "교체하면", "점검하면", "측정하면", "청소하면", "늦추면", "넓히면")
_ENDS = (
    "불량률이 줄어든다", "균열이 생긴다", "온도가 안정된다", "치수가 달라진다", "수명이 늘어난다",
    "압력이 떨어진다",
)  # fmt: skip


def passages() -> list[Passage]:
    """Return the twelve written passages, each a document of its own."""
    found = []
    for number, (title, taxonomy, text) in enumerate(_WRITTEN):
        found.append(
            Passage(
                id=passage_id(f"doc-{number}", text),
                document_id=f"doc-{number}",
                text=text,
                title=title,
                taxonomy=taxonomy,
                content_type="markdown" if number % 2 else "pdf",
                date=datetime.date(2026, 1, 1 + number),
                metadata={"line": number % 3, "plant": f"P{number % 4}", "approved": number < 6},
            )
        )
    return found


def generated(count: int, seed: int = 0) -> Iterator[Passage]:
    """Yield passages of two to five short sentences of the trade."""
    generator = np.random.default_rng(seed)
    for number in range(count):
        sentences = []
        for _ in range(int(generator.integers(2, 6))):
            nouns = generator.choice(_NOUNS, size=3, replace=False)
            verb = generator.choice(_VERBS)
            end = generator.choice(_ENDS)
            code = int(generator.integers(100, 999))
            sentences.append(f"{nouns[0]}의 {nouns[1]} {verb} {nouns[2]} {end} A{code}.")
        text = " ".join(sentences)
        yield Passage(
            id=passage_id(f"g{number}", text),
            document_id=f"g{number}",
            text=text,
            title=f"{nouns[0]} 점검 {number}",
            taxonomy=f"공정/{nouns[1]}",
            content_type=("pdf", "markdown", "csv")[number % 3],
            date=datetime.date(2026, 1, 1) + datetime.timedelta(days=number % 300),
            metadata={"tenth": number % 10, "hundredth": number % 100, "half": number % 2 == 0},
        )

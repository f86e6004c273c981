"""Fit and judge the probability that passages answer a question.

Answered questions are judged ones with their passages among those found; unanswered ones are the
same questions with every passage that answers taken away, so that the nearest others remain, and
questions about other things. All figures are those of questions left out of the fit.

    .venv/bin/python -m benchmarks.search.support --korquad FOLDER
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from benchmarks.search.judged import korquad
from search.engine import cutting
from search.engine.answering.extraction import extract
from search.engine.answering.support import THRESHOLD, Signs, probability
from search.engine.building import build
from search.engine.index import Index, open_index
from search.engine.passages import Passage
from search.engine.readers import reading

ROOT = Path(__file__).resolve().parents[2]
KNOWLEDGE = ROOT / "search" / "knowledge"
N_PASSAGES = 6
#: About other things than any collection here.
OTHER = (
    "김치찌개 맛있게 끓이는 법",
    "내일 서울 날씨 어때",
    "환율이 왜 오르나요",
    "연차 휴가는 며칠인가요",
    "주택담보대출 금리 비교",
    "고양이가 밥을 안 먹어요",
    "축구 월드컵 우승국은 어디인가요",
    "비타민 D 하루 권장량",
    "제주도 여행 코스 추천",
    "스마트폰 배터리를 오래 쓰는 방법",
    "자동차 보험 갱신 절차",
    "아이 열이 날 때 해열제 간격",
    "한글은 누가 만들었나요",
    "주식 배당금 세금 계산",
    "와이파이 비밀번호를 잊어버렸어요",
    "피아노 독학하는 순서",
    "수능 원서 접수 기간",
    "파이썬 리스트 정렬",
    "전입신고 온라인으로 하기",
    "다이어트 식단 일주일",
    "how to bake sourdough bread",
    "best laptop for students",
    "capital of Australia",
    "visa requirements for Japan",
    "how do vaccines work",
    "chess opening for beginners",
    "train a puppy to sit",
    "history of the Roman empire",
    "write a cover letter",
    "symptoms of dehydration",
    "cheap flights to Busan",
    "reset my router password",
)


@dataclass(frozen=True)
class Judged:
    """A collection with questions whose answering documents are known."""

    name: str
    index: Index
    questions: Sequence[tuple[str, Mapping[str, float]]]


@dataclass
class Sample:
    """Signs, whether the passages answer, and which question they belong to."""

    signs: list[list[float]]
    labels: list[int]
    groups: list[int]

    def add(self, signs: Signs, label: int, group: int) -> None:
        """Keep one example."""
        self.signs.append(signs.to_list())
        self.labels.append(label)
        self.groups.append(group)


def knowledge(folder: Path, work: Path) -> Judged:
    """Index the knowledge base that the product ships."""
    passages: list[Passage] = []
    for path in sorted(folder.glob("*.md")):
        _, head, body = path.read_text("utf-8").split("---\n", 2)
        facts = dict(line.split(": ", 1) for line in head.splitlines())
        document = reading.read(body.encode(), name=path.name)
        passages += cutting.cut(
            document,
            document_id=facts["id"],
            title=facts["title"],
            taxonomy=facts["taxonomy"],
            content_type=facts["type"],
        )
    judged = json.loads((folder / "judged.json").read_text("utf-8"))
    questions = [(one["query"], one["gains"]) for one in judged]
    return Judged("knowledge base", _index(passages, work / "knowledge"), questions)


def foreign(folder: Path, work: Path, count: int, seed: int) -> Judged:
    """Index KorQuAD and draw some of its questions."""
    collection = korquad(folder)
    drawn = np.random.default_rng(seed).permutation(len(collection.questions))[:count]
    questions = [collection.questions[int(place)] for place in drawn]
    return Judged("KorQuAD", _index(collection.passages, work / "korquad"), questions)


def _index(passages: Sequence[Passage], folder: Path) -> Index:
    build(passages, folder)
    return open_index(folder)


def sample(judged: Judged) -> Sample:
    """Return answered and unanswered questions of a collection."""
    kept = Sample([], [], [])
    for number, (question, gains) in enumerate(judged.questions):
        found = [hit.passage for hit in judged.index.search(question, top_k=60).hits]
        others = [one for one in found if one.document_id not in gains]
        if any(gains.get(one.document_id, 0) >= min(2, max(gains.values()))
               for one in found[:N_PASSAGES]):  # fmt: skip
            kept.add(_signs(judged, question, found), 1, number)
        kept.add(_signs(judged, question, others), 0, number)
    for number, question in enumerate(OTHER, start=len(judged.questions)):
        found = [hit.passage for hit in judged.index.search(question).hits]
        kept.add(_signs(judged, question, found), 0, number)
    return kept


def _signs(judged: Judged, question: str, passages: Sequence[Passage]) -> Signs:
    return extract(question, passages[:N_PASSAGES], judged.index).signs


def fitted(samples: Sequence[Sample]) -> LogisticRegression:
    """Fit one model in which every collection and either label weigh the same."""
    signs, labels, weights = _stacked(samples)
    model = LogisticRegression(C=10.0, max_iter=1000)
    model.fit(signs, labels, sample_weight=weights)
    return model


def _stacked(
    samples: Sequence[Sample],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    signs = np.array([row for one in samples for row in one.signs])
    labels = np.array([label for one in samples for label in one.labels])
    weights = []
    for one in samples:
        n_answered = sum(one.labels)
        counts = (len(one.labels) - n_answered, n_answered)
        weights += [1 / counts[label] for label in one.labels]
    scale = len(labels) / sum(weights)
    return signs, labels, np.array(weights) * scale


def left_out(samples: Sequence[Sample]) -> list[NDArray[np.float64]]:
    """Return, by collection, the probability of each example when its question was not learnt."""
    signs, labels, weights = _stacked(samples)
    offsets = np.cumsum([0, *(max(one.groups) + 1 for one in samples)])
    groups = np.concatenate(
        [np.array(one.groups) + start for one, start in zip(samples, offsets, strict=False)]
    )
    model = LogisticRegression(C=10.0, max_iter=1000)
    found = cross_val_predict(
        model,
        signs,
        labels,
        groups=groups,
        cv=GroupKFold(10),
        method="predict_proba",
        params={"sample_weight": weights},
    )[:, 1]
    return np.split(found, np.cumsum([len(one.labels) for one in samples])[:-1])


def report(name: str, labels: NDArray[np.int64], found: NDArray[np.float64], at: float) -> str:
    """Return one row of the table."""
    answered, unanswered = found[labels == 1], found[labels == 0]
    weights = np.where(labels == 1, 1 / len(answered), 1 / len(unanswered))
    return (
        f"| {name} | {len(answered)} + {len(unanswered)} | {roc_auc_score(labels, found):.3f} "
        f"| {brier_score_loss(labels, found, sample_weight=weights):.3f} "
        f"| {np.mean(answered >= at):.3f} | {np.mean(unanswered >= at):.3f} |"
    )


def main() -> None:
    """Fit, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--korquad", type=Path, help="Folder that holds korquad1.")
    parser.add_argument("--questions", type=int, default=800)
    parser.add_argument("--knowledge", type=Path, default=KNOWLEDGE)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="millwright-support-") as work:
        collections = [knowledge(given.knowledge, Path(work))]
        if given.korquad:
            collections.append(foreign(given.korquad, Path(work), given.questions, given.seed))
        samples = [sample(one) for one in collections]
    found = left_out(samples)
    lines = [
        "| collection | answered + unanswered | AUC | Brier | answered kept | unanswered kept |"
    ]
    for one, own, values in zip(collections, samples, found, strict=True):
        lines.append(report(one.name, np.array(own.labels), values, THRESHOLD))
        now = np.array([probability(Signs(*row)) for row in own.signs])
        lines.append(report(f"{one.name}, as committed", np.array(own.labels), now, THRESHOLD))
    model = fitted(samples)
    names = [one.name for one in fields(Signs)]
    lines.append(f"intercept {model.intercept_[0]:.3f}")
    lines.append(", ".join(f"{n} {w:.3f}" for n, w in zip(names, model.coef_[0], strict=True)))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

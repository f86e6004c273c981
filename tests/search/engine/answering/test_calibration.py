"""What the committed calibration is worth on the knowledge base that is shipped."""

import json
from pathlib import Path

import pytest

from search.engine import cutting
from search.engine.answering import support
from search.engine.answering.extraction import extract
from search.engine.building import build
from search.engine.index import Index, open_index
from search.engine.readers import reading

KNOWLEDGE = Path(__file__).resolve().parents[4] / "search" / "knowledge"
OTHER = (
    "김치찌개 맛있게 끓이는 법",
    "내일 서울 날씨 어때",
    "연차 휴가는 며칠인가요",
    "축구 월드컵 우승국은 어디인가요",
    "제주도 여행 코스 추천",
    "how to bake sourdough bread",
    "capital of Australia",
    "chess opening for beginners",
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    passages = []
    for path in sorted(KNOWLEDGE.glob("*.md")):
        _, head, body = path.read_text("utf-8").split("---\n", 2)
        facts = dict(line.split(": ", 1) for line in head.splitlines())
        document = reading.read(body.encode(), name=path.name)
        passages += cutting.cut(document, document_id=facts["id"], title=facts["title"])
    folder = tmp_path_factory.mktemp("knowledge") / "index"
    build(passages, folder)
    return open_index(folder)


def probability(index: Index, question: str) -> float:
    passages = [hit.passage for hit in index.search(question, top_k=6).hits]
    return support.probability(extract(question, passages, index).signs)


def test_most_judged_questions_are_answered(index: Index) -> None:
    questions = [one["query"] for one in json.loads((KNOWLEDGE / "judged.json").read_text())]
    answered = [probability(index, one) >= support.THRESHOLD for one in questions]
    assert sum(answered) / len(answered) > 0.7


@pytest.mark.parametrize("question", OTHER)
def test_questions_about_other_things_are_not(index: Index, question: str) -> None:
    assert probability(index, question) < support.THRESHOLD


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("기포 결함은 왜 생기나요?", "defect-bubble"),
        ("기포는 왜 생기나요?", "defect-bubble"),
        ("기포가 발생하는 원인이 무엇인가요?", "defect-bubble"),
        ("크랙은 왜 발생하나요?", "defect-crack"),
    ],
)
def test_a_question_why_a_defect_occurs_is_answered_from_its_document(
    index: Index, question: str, document: str
) -> None:
    hits = index.search(question, top_k=6).hits
    assert hits[0].passage.document_id == document
    found = extract(question, [hit.passage for hit in hits], index)
    assert support.probability(found.signs) >= support.THRESHOLD
    cited = {hits[one.number - 1].passage.document_id for one in found.sentences}
    assert document in cited

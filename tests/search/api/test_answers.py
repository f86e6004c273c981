import itertools
import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django import Settings

from search.models import Collection
from search.services import admission, generation
from tests.search.api.conftest import Ask
from tests.search.engine.embedders.endpoint_server import (
    Answer,
    Endpoint,
    dripping,
    fixed,
    running,
)

PATH = "/api/v1/answers/"
ASKED = {"question": "수축공은 왜 생기나요?", "collection": "defects"}
pytestmark = pytest.mark.django_db


def saying(text: Any) -> Any:
    def answer(body: dict[str, Any]) -> Answer:
        content = {"choices": [{"message": {"role": "assistant", "content": text}}]}
        return 200, {}, json.dumps(content).encode()

    return answer


def use(settings: Settings, server: Endpoint) -> None:
    settings.ANSWERS_URL, settings.ANSWERS_MODEL = server.url, "words"
    settings.ANSWERS_TIMEOUT_S = 60


def asked(ask: Ask, **change: Any) -> dict[str, Any]:
    answer = ask(PATH, ASKED | change)
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


def test_an_answer_cites_the_passages_that_say_it(ask: Ask, indexed: Collection) -> None:
    body = asked(ask)
    assert body["kind"] == "extractive"
    assert "응고할 때 용탕 보충이 모자라 생긴다. [1]" in body["answer"]
    assert body["support"] >= body["threshold"]
    assert body["sources"][0]["document"]["external_id"] == "shrinkage"
    numbers = {one["number"] for one in body["sources"]}
    assert all(set(one["citations"]) <= numbers for one in body["sentences"])
    assert (body["cache"], asked(ask)["cache"]) == ("miss", "hit")


def test_a_question_the_passages_do_not_answer_is_refused(ask: Ask, indexed: Collection) -> None:
    body = asked(ask, question="금형 회사의 주가 전망과 배당은 어떤가요?")
    assert (body["kind"], body["answer"], body["sentences"]) == ("refused", None, [])
    assert "do not answer" in body["reason"]
    assert body["support"] < body["threshold"]
    assert body["sources"]


def test_a_refusal_speaks_the_reader_s_language(ask: Ask, indexed: Collection) -> None:
    question = ASKED | {"question": "금형 회사의 주가 전망과 배당은 어떤가요?"}
    english = ask(PATH, question).json()
    korean = ask(PATH, question, **{"Accept-Language": "ko"}).json()
    assert english["reason"] != korean["reason"]


def test_filters_that_leave_nothing_are_a_refusal(ask: Ask, indexed: Collection) -> None:
    body = asked(ask, filters={"document_id": "nobody"})
    assert (body["kind"], body["sources"]) == ("refused", [])
    assert "No passage" in body["reason"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"question": ""}, "question"),
        ({"question": 3}, "question"),
        ({"question": "가" * 2_001}, "question"),
        ({"collection": None}, "collection"),
        ({"filters": []}, "filters"),
        ({"top_k": 3}, "top_k"),
        ({"filters": {"nosuchfield": 1}}, "nosuchfield"),
    ],
)
def test_a_wrong_member_is_named(
    ask: Ask, indexed: Collection, change: dict[str, Any], field: str
) -> None:
    answer = ask(PATH, ASKED | change)
    assert answer.status_code == 422
    assert field in answer.json()["errors"][0]["field"] + answer.json()["detail"]


@pytest.mark.parametrize("question", ["🙂", "'; DROP TABLE x; --", "[1] [2]", "가" * 2_000, "?"])
def test_any_text_is_a_question(ask: Ask, indexed: Collection, question: str) -> None:
    assert asked(ask, question=question)["kind"] in {"extractive", "refused"}


def test_a_model_words_the_answer_from_numbered_passages(
    ask: Ask, indexed: Collection, settings: Settings
) -> None:
    text = "수축공은 응고할 때 용탕 보충이 모자라 생깁니다 [1]. 증압 압력을 높이면 줄어듭니다 [1]."
    with running(saying(text)) as server:
        use(settings, server)
        settings.ANSWERS_API_KEY = "k-1"
        body = asked(ask)
    assert body["kind"] == "generated"
    assert [one["citations"] for one in body["sentences"]] == [[1], [1]]
    assert body["extract"]
    sent = server.bodies[0]
    assert (sent["path"], sent["model"]) == ("/v1/chat/completions", "words")
    assert "[1] shrinkage" in sent["messages"][1]["content"]
    assert server.headers[0]["Authorization"] == "Bearer k-1"


def test_sentences_that_no_cited_passage_says_are_taken_out(
    ask: Ask, indexed: Collection, settings: Settings
) -> None:
    text = (
        "수축공은 응고할 때 용탕 보충이 모자라 생긴다 [1]. 압력은 900 bar로 올린다 [1]. "
        "주가는 내일 오른다 [2]. 출처 없는 말이다. 수축공은 응고할 때 생긴다 [42]."
    )
    with running(saying(text)) as server:
        use(settings, server)
        body = asked(ask)
    assert body["kind"] == "generated"
    assert [one["text"] for one in body["sentences"]] == [
        "수축공은 응고할 때 용탕 보충이 모자라 생긴다."
    ]


@pytest.mark.parametrize(
    "text", ["달은 치즈로 되어 있다.", "주가는 내일 오른다 [1].", "NONE", "", "[1]"]
)
def test_a_wording_without_support_leaves_the_documents_own_words(
    ask: Ask, indexed: Collection, settings: Settings, text: str
) -> None:
    with running(saying(text)) as server:
        use(settings, server)
        body = asked(ask)
    assert (body["kind"], body["answer"]) == ("extractive", body["extract"])
    assert body["degraded"][0].startswith("generation: ")


def test_a_refused_question_is_not_sent_to_the_model(
    ask: Ask, indexed: Collection, settings: Settings
) -> None:
    with running(saying("예 [1].")) as server:
        use(settings, server)
        assert asked(ask, question="금형 회사의 주가 전망과 배당은 어떤가요?")["kind"] == "refused"
    assert server.bodies == []


@pytest.mark.parametrize(
    "answer",
    [
        fixed(500),
        fixed(429),
        fixed(401),
        fixed(302, Location="http://127.0.0.1:9/"),
        fixed(200, b"no JSON"),
        fixed(200, b'{"choices": []}'),
        fixed(200, b'{"choices": [{"message": {"content": 7}}]}'),
        fixed(200, b"x" * ((1 << 20) + 1)),
        fixed(200, b"[" * 500_000),
        saying("\ud800 [1]."),
    ],
)
def test_a_failing_endpoint_costs_only_the_wording(
    ask: Ask, indexed: Collection, settings: Settings, answer: Any
) -> None:
    with running(answer) as server:
        use(settings, server)
        body = asked(ask)
        assert asked(ask)["cache"] == "miss"  # it may answer next time
    assert body["kind"] == "extractive"
    assert body["degraded"][0].startswith("generation: ")


def test_an_endpoint_that_is_away_is_left_alone(
    ask: Ask, indexed: Collection, settings: Settings
) -> None:
    with running(fixed(503)) as server:
        use(settings, server)
        bodies = [asked(ask, taxonomy=f"결함/{n}") for n in range(5)]
    assert len(server.bodies) == 3
    assert "left alone" in bodies[-1]["degraded"][0]
    assert generation._breaker().is_open


def test_an_address_that_is_none_costs_only_the_wording(
    ask: Ask, indexed: Collection, settings: Settings
) -> None:
    settings.ANSWERS_URL, settings.ANSWERS_MODEL = "nonsense", "words"
    assert asked(ask)["kind"] == "extractive"


def test_an_endpoint_that_drips_is_not_waited_for(
    ask: Ask, indexed: Collection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(0.0, 100.0)  # more than a minute goes by between two looks
    monkeypatch.setattr(generation, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    with dripping() as url:
        settings.ANSWERS_URL = f"{url}/v1"
        settings.ANSWERS_MODEL, settings.ANSWERS_TIMEOUT_S = "words", 60
        body = asked(ask)
    assert body["kind"] == "extractive"
    assert "no whole answer" in body["degraded"][0]


def test_searches_do_not_wait_behind_a_slow_model(
    ask: Ask, indexed: Collection, settings: Settings
) -> None:
    inside: list[int] = []

    def answer(_body: dict[str, Any]) -> Answer:
        inside.append(admission.gate("defects").n_inside)
        return 200, {}, b"{}"

    with running(answer) as server:
        use(settings, server)
        asked(ask)
    assert inside == [0]


def test_only_some_threads_wait_for_the_model(
    ask: Ask, indexed: Collection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = threading.BoundedSemaphore(1)
    monkeypatch.setattr(generation, "_places", lambda: taken)
    with running(saying("NONE")) as server, taken:
        use(settings, server)
        body = asked(ask)
    assert server.bodies == []
    assert "in work" in body["degraded"][0]

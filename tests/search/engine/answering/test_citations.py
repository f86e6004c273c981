import pytest

from search.engine.answering.citations import UNCITED, UNKNOWN, UNSUPPORTED, check
from tests.search.engine.answering.collection import PASSAGES, Counts


def kept(text: str) -> list[tuple[str, tuple[int, ...]]]:
    return [(one.text, one.citations) for one in check(text, PASSAGES, Counts()).claims]


def reasons(text: str) -> list[str]:
    return [reason for _text, reason in check(text, PASSAGES, Counts()).removed]


def test_a_sentence_that_its_passage_says_is_kept() -> None:
    text = "소착은 금형 표면에 알루미늄이 달라붙는 결함이다 [1]."
    assert kept(text) == [("소착은 금형 표면에 알루미늄이 달라붙는 결함이다.", (1,))]


@pytest.mark.parametrize(
    "text",
    [
        "기공은 공기 혼입과 수소가 원인이다. [2]",
        "기공은 공기 혼입과 수소가 원인이다[2].",
        "- 기공은 공기 혼입과 수소가 원인이다. [2, 1]",
    ],
)
def test_a_mark_counts_before_and_behind_the_stop(text: str) -> None:
    assert len(kept(text)) == 1
    assert 2 in kept(text)[0][1]


def test_a_sentence_without_a_citation_is_taken_out() -> None:
    assert reasons("기공은 공기 혼입과 수소가 원인이다.") == [UNCITED]


def test_a_citation_of_nothing_is_taken_out() -> None:
    assert reasons("기공은 공기 혼입과 수소가 원인이다 [7].") == [UNKNOWN]
    assert kept("기공은 공기 혼입과 수소가 원인이다 [2][7].")[0][1] == (2,)


def test_what_the_cited_passage_does_not_say_is_taken_out() -> None:
    assert reasons("주식 시장은 내일 오를 전망이다 [1].") == [UNSUPPORTED]
    assert reasons("기공은 공기 혼입과 수소가 원인이다 [3].") == [UNSUPPORTED]


def test_a_number_that_no_cited_passage_has_is_taken_out() -> None:
    assert reasons("금형 온도가 450 ℃를 넘으면 소착이 잘 생긴다 [1].") == [UNSUPPORTED]
    assert len(kept("금형 온도가 300 ℃를 넘으면 소착이 잘 생긴다 [1].")) == 1


def test_good_sentences_stay_when_bad_ones_go() -> None:
    checked = check(
        "기공은 공기 혼입과 수소가 원인이다. [2] 달은 치즈로 되어 있다. [1] 끝.",
        PASSAGES,
        Counts(),
    )
    assert checked.text.endswith("[2]")
    assert [reason for _text, reason in checked.removed] == [UNSUPPORTED, UNCITED]


@pytest.mark.parametrize("text", ["", "[1]", "[", "[999999999999]", "[1][2]", "\ud800 [1]"])
def test_any_text_can_be_checked(text: str) -> None:
    assert check(text, PASSAGES, Counts()).claims == ()

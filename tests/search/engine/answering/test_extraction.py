import pytest

from search.engine.answering import support
from search.engine.answering.extraction import MOST_SENTENCES, extract
from search.engine.answering.questions import tokens, topic
from search.engine.answering.support import Signs, probability
from search.engine.passages import Passage
from tests.search.engine.answering.collection import PASSAGES, POROSITY, SOLDERING, Counts


@pytest.mark.parametrize(
    ("question", "bare"),
    [
        ("소착의 원인은 무엇인가요?", "소착 원인"),
        ("기공은 왜 생기나요?", "기공"),
        ("기포 결함은 왜 발생하나요?", "기포 결함"),
        ("형체력을 설명해 주세요.", "형체력"),
        ("금형 높이와 길이", "금형 높이와 길이"),
        ("How should we set the gate velocity?", "How set the gate velocity?"),
        ("왜?", "왜?"),
        ("금형", "금형"),
    ],
)
def test_a_topic_leaves_out_what_only_asks(question: str, bare: str) -> None:
    assert tokens(topic(question)) == tokens(bare)


def test_the_answer_is_the_sentences_that_say_it_with_their_passages() -> None:
    found = extract("소착이 생기는 금형 온도는 몇 도인가요?", PASSAGES, Counts())
    assert "300 ℃를 넘으면 잘 생긴다. [1]" in found.text
    assert {one.number for one in found.sentences} == {1}
    assert len(found.sentences) <= MOST_SENTENCES


def test_sentences_stand_in_the_order_of_the_passages_and_none_twice() -> None:
    found = extract("소착과 기공의 원인과 대책", (SOLDERING, POROSITY, SOLDERING), Counts())
    places = [(one.number, one.place) for one in found.sentences]
    assert places == sorted(places)
    texts = [one.text for one in found.sentences]
    assert len(set(texts)) == len(texts)


def test_a_title_helps_a_sentence_that_does_not_repeat_it() -> None:
    passages = (
        Passage("a", "a", "대책은 진공을 쓰는 것이다. 그밖에는 없다.", title="기공"),
        Passage("b", "b", "대책은 냉각을 늘리는 것이다. 그밖에는 없다.", title="소착"),
    )
    found = extract("기공 대책", passages, Counts(passages))
    assert found.sentences[0].number == 1


def test_signs_tell_answered_from_unanswered() -> None:
    answered = extract("소착의 원인과 대책은?", PASSAGES, Counts())
    unanswered = extract("연차 휴가는 며칠인가요?", PASSAGES, Counts())
    assert probability(answered.signs) >= support.THRESHOLD > probability(unanswered.signs)
    assert answered.signs.missing < unanswered.signs.missing


@pytest.mark.parametrize("question", ["", "?!", "🙂", "\ud800", "'; DROP TABLE x; --", "[1] AND *"])
def test_any_text_is_a_question(question: str) -> None:
    found = extract(question, PASSAGES, Counts())
    assert 0 <= probability(found.signs) <= 1
    assert extract("소착", (), Counts()).sentences == ()


def test_without_passages_nothing_supports_an_answer() -> None:
    assert extract("소착", (), Counts()).signs == Signs.none()
    assert probability(Signs.none()) < support.THRESHOLD


def test_signs_are_shares() -> None:
    for question in ("소착", "기공 대책 진공 수소", "face shield near molten metal"):
        for sign in extract(question, PASSAGES, Counts()).signs.to_list():
            assert 0 <= sign <= 1 + 1e-9


def test_more_of_the_question_found_never_makes_support_less_likely() -> None:
    shares = [0.0, 0.3, 0.6, 1.0]
    values = [probability(Signs(share, share, 0.0)) for share in shares]
    assert values == sorted(values)

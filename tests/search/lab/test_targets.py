"""A recall that the questions of a corpus cannot show is refused before anything is built."""

import pytest

from portal.core.errors import InvalidInput
from search.lab.engine import corpora, statistics
from search.lab.services import campaigns, targets, tuning


def test_a_recall_that_can_be_shown_passes() -> None:
    targets.check(0.9984)
    targets.check(0.9848, 1_100)
    targets.check(0.99, 15_400)


def test_a_small_collection_is_told_what_it_can_show_and_how_large_it_would_have_to_be() -> None:
    with pytest.raises(InvalidInput, match=r"recall is 0.99: of about 5,000 passages 50") as seen:
        targets.check(0.99, 5_000)
    assert "Ask for 0.9848 or less, or take a collection of 15,400 passages." in str(seen.value)
    assert [one.field for one in seen.value.problems] == ["recall"]
    assert statistics.most_shown(corpora.n_questions(15_400) // 2) >= 0.99
    assert statistics.most_shown(corpora.n_questions(15_300) // 2) < 0.99


def test_generated_passages_show_a_recall_below_the_greatest_that_is_allowed() -> None:
    with pytest.raises(InvalidInput, match=r"500 questions .* Ask for 0.9984 or less"):
        campaigns.matrix({"recall": 0.999, "engines": ["hnswlib"]})
    wish = tuning.Wish("hnswlib", 0.999, 2, 1_000, 16)
    with pytest.raises(InvalidInput, match=r"500 questions .* Ask for 0.9984 or less"):
        tuning.check(wish)
    with pytest.raises(InvalidInput, match="500 questions"):
        targets.check(0.999, 900_000)
    assert campaigns.matrix({"recall": 0.999, "engines": ["faiss-flat"]}).recall == 0.999

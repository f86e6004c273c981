"""What the gate of an index asks, and what counts as an answer."""

import numpy as np

from search.models import Collection
from search.services import documents, gating, searching
from search.services.documents import Incoming
from tests.search.conftest import ACTOR, DEFECTS, Build
from tests.waiting import wait_for

QUERY = "metal that leaks between the die halves."


def asked(kind: str) -> gating.Asked:
    return gating.Asked(QUERY, {"flash": 1.0}, kind)


def test_a_known_item_is_found_in_a_word_for_word_copy_too(
    build: Build, collection: Collection
) -> None:
    build()
    copies = [
        Incoming(f"copy-{number}", f"{DEFECTS['flash']} Shift {number}.", title="flash")
        for number in range(30)
    ]
    documents.upsert(collection=collection, documents=copies, actor=ACTOR)
    wait_for(lambda: searching.held("defects").sequence == len(DEFECTS) + len(copies), 60)

    achieved = gating.ask(
        searching.held("defects").index,
        [asked(gating.KNOWN_ITEM), asked(gating.JUDGED)],
        gating.own_options(collection),
    )

    assert achieved.means(gating.KNOWN_ITEM) == {
        "ndcg_at_10": 1.0,
        "recall_at_100": 1.0,
        "mrr": 1.0,
        "n": 1,
    }
    assert np.all(achieved.recall_at_100 == 1.0)


def test_a_known_item_that_no_passage_holds_is_not_found(build: Build) -> None:
    build()
    elsewhere = gating.Asked("cold fronts meet the die", {"gone": 1.0}, gating.KNOWN_ITEM)

    achieved = gating.ask(searching.held("defects").index, [elsewhere], gating.own_options(None))

    assert achieved.means(gating.KNOWN_ITEM) == {
        "ndcg_at_10": 0.0,
        "recall_at_100": 0.0,
        "mrr": 0.0,
        "n": 1,
    }

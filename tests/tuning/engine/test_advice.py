"""Where a search of RocksDB begins, and what it never proposes."""

from pathlib import Path

import pytest

from tuning.engine import sampling
from tuning.engine.contract import Advice
from tuning.engine.problems import BadConfiguration
from tuning.engine.rocksdb import advice
from tuning.engine.rocksdb.opening import database
from tuning.engine.rocksdb.target import RocksDB
from tuning.engine.sampling import Search

STALLED = {"stalled_share": 0.7, "drain_s": 7.0, "put_rate": 40_000.0, "read_rate": 0.0}


def a_search(name: str = "random", seed: int = 5) -> Search:
    """Return a search over all options of RocksDB."""
    target = RocksDB()
    options = sampling.searchable(target.options())
    made = sampling.make_study(
        name=name, n_gains=1, sampler=sampling.make_sampler(name, options, seed)
    )
    return Search(made, options, target, target.defaults())


@pytest.mark.parametrize("one", [*advice.DEVICE, *advice.READS, *advice.PROCESSOR])
def test_what_is_advised_is_allowed_and_changes_something(one: Advice) -> None:
    target = RocksDB()
    assert target.check(one.changes) != target.defaults()
    assert one.why.endswith(".")


def test_what_is_advised_follows_from_what_limits_the_engine() -> None:
    target = RocksDB()
    assert target.advice(STALLED) == advice.DEVICE
    assert target.advice({"stalled_share": 0.0, "drain_s": 0.2}) == advice.PROCESSOR
    assert target.advice({"read_rate": 9.0, "put_rate": 0.0}) == advice.READS
    both = target.advice({**STALLED, "read_rate": 9.0})
    assert both == (*advice.READS, *advice.DEVICE)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"unordered_write": True, "enable_pipelined_write": True}, "without order"),
        ({"rate_limiter": 0.5}, "rate_limiter = 0.5"),
    ],
)
def test_options_that_rocksdb_refuses_together_are_refused_before_anything_starts(
    given: dict[str, bool | float], said: str
) -> None:
    with pytest.raises(BadConfiguration, match=said):
        RocksDB().check(given)


def test_a_search_proposes_nothing_that_rocksdb_refuses(tmp_path: Path) -> None:
    search = a_search()
    for place in range(24):
        proposal = search.ask()
        assert proposal is not None
        found = proposal.configuration
        assert not (found["unordered_write"] and found["enable_pipelined_write"])
        opened, _made = database(tmp_path / str(place), found, wal=True)
        opened.put(b"key", b"value")
        opened.close()


def test_what_was_enqueued_comes_first_and_says_where_it_comes_from() -> None:
    search, target = a_search(), RocksDB()
    for one in advice.DEVICE:
        search.enqueue({**target.defaults(), **one.changes}, {"kind": "advice", "name": one.name})
    for one in advice.DEVICE:
        proposal = search.ask({"compression"})
        assert proposal is not None
        assert proposal.origin["name"] == one.name
        assert proposal.configuration == target.check(one.changes)


def test_a_search_with_a_focus_leaves_the_other_options_as_in_use() -> None:
    search, usual = a_search(), RocksDB().defaults()
    for _ask in range(10):
        proposal = search.ask({"compression", "write_buffer_size"})
        assert proposal is not None
        assert proposal.origin == {}
        changed = {name for name, one in proposal.configuration.items() if one != usual[name]}
        assert changed <= {"compression", "write_buffer_size"}
        search.tell(proposal.number, [0.0])

"""What is known of cells that are not whole yet: figures so far, and the time that is left."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from portal.core.actors import Actor
from search.lab import selectors
from search.lab.engine import so_far
from search.lab.engine.analysis import durations
from search.lab.engine.matrix import Cell, Matrix
from search.lab.models import Campaign
from search.lab.services import campaigns, estimates, room
from search.lab.services.passes import Passes
from tests.search.lab import measured

ACTOR = Actor.system("test")
PLAN = Matrix(
    scales=(1_000,),
    dimensions=(16,),
    search_types=("vector",),
    filters=(None,),
    engines=("hnswlib",),
)
WISHES = campaigns.Wishes(n_passes=3, clients=(1,))
Keep = Callable[[Passes, int, float], None]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Keep a pass of which three seconds went to counting answers."""
    path = tmp_path / "samples.parquet"
    pq.write_table(measured.samples(Cell("hnswlib", 1_000, 16)).to_table(), path)

    def kept(passes: Passes, number: int, elapsed_s: float) -> None:
        facts = {"p50_ms": 1.5, "elapsed_s": elapsed_s, "per_second": {"1": [900.0] * 10}}
        facts |= {"counted_s": 3.0}
        passes.keep(number, facts, path)

    return kept


def test_passes_are_read_as_they_are_kept_and_altered_ones_are_not(
    tmp_path: Path, keep: Keep
) -> None:
    passes = Passes(tmp_path / "passes" / "key", {})
    for number in (10, 0, 2):
        keep(passes, number, 20.0)
    altered = tmp_path / "passes" / "key" / "2" / "facts.json"
    altered.write_text(altered.read_text().replace("1.5", "0.5"))
    found = so_far.passes(tmp_path / "passes")
    assert {key: [one.number for one in own] for key, own in found.items()} == {"key": [0, 10]}
    assert found["key"][0] == so_far.KeptPass(0, 1.5, 20.0, 3.0, 1)
    assert so_far.passes(tmp_path / "nowhere") == {}


@pytest.fixture
def campaign() -> Campaign:
    return campaigns.create(plan=PLAN, name="left", actor=ACTOR, wishes=WISHES)


@pytest.mark.django_db
def test_the_time_left_falls_with_every_pass_and_every_index(
    campaign: Campaign, keep: Keep
) -> None:
    (row,) = campaign.cells.all()
    passes = Passes(room.folder() / "passes" / str(campaign.pk) / row.key, {})
    assert estimates.remaining(campaign).seconds > 0
    keep(passes, 0, 103.0)
    two = estimates.remaining(campaign)
    assert two.n_timed == 1
    keep(passes, 1, 103.0)
    one = estimates.remaining(campaign)
    assert two.seconds - one.seconds == pytest.approx(103.0)
    place = room.folder() / "indexes" / str(campaign.pk) / row.what.index_key
    place.mkdir(parents=True)
    (place / "built.json").write_text("{}")
    assert estimates.remaining(campaign).seconds == pytest.approx(103.0)
    (line,) = selectors.lines(campaign)
    assert [one["p50_ms"] for one in line.to_dict()["so_far"]] == [1.5, 1.5]


@pytest.mark.django_db
def test_a_fast_pass_counts_its_windows_and_not_their_parts(campaign: Campaign, keep: Keep) -> None:
    (row,) = campaign.cells.all()
    keep(Passes(room.folder() / "passes" / str(campaign.pk) / row.key, {}), 0, 4.5)
    clock = estimates.clock(campaign)
    assert clock.seconds("measure", "hnswlib", row.what) == pytest.approx(1.5)
    assert clock.seconds("count", "hnswlib", row.what) == pytest.approx(3.0)
    assert so_far.counting_s({"per_second": {"1": [9.0] * 3, "2": [9.0] * 3}}) == 6.0  # of before


@pytest.mark.django_db
def test_a_choice_of_more_passes_and_clients_takes_longer() -> None:
    cells = PLAN.cells()
    once = estimates.of_choice(cells, campaigns.Wishes(n_passes=1, clients=(1,))).seconds
    often = estimates.of_choice(cells, campaigns.Wishes(n_passes=3, clients=(1,))).seconds
    many = estimates.of_choice(cells, campaigns.Wishes(n_passes=1, clients=(1, 2, 4))).seconds
    assert often > once
    assert many == pytest.approx(once + 2 * durations.COUNT[2])

"""Whether the disk has room for a campaign, before it starts and while it works."""

import pytest

from portal.core.actors import Actor
from portal.core.errors import OutOfSpace
from portal.runs.models import Run, State
from portal.runs.tasks.execution import perform
from search.lab import dispatch
from search.lab.engine import sizes
from search.lab.engine.matrix import Cell, Matrix
from search.lab.models import Campaign
from search.lab.services import campaigns, room, running
from search.lab.services.processes import DiskFull
from tests.search.lab import measured

ACTOR = Actor.system("test")
PLAN = Matrix(
    scales=(10_000, 100_000),
    dimensions=(128,),
    search_types=("vector",),
    engines=("faiss-flat", "duckdb-hnsw"),
)
SMALL = Matrix(
    scales=(1_000,), dimensions=(16,), search_types=("vector",), filters=(None,),
    engines=("faiss-flat",),
)  # fmt: skip
ONCE = campaigns.Wishes(clients=(1,), n_passes=1, max_tries=1)


def test_indexes_are_as_large_as_their_measured_kin() -> None:
    cell = Cell("hnswlib", 100_000, 256)
    thought = sizes.index_mb(cell, {})
    twice = sizes.factors([(Cell("hnswlib", 10_000, 128), sizes.index_mb(cell, {}) * 0.1)])
    assert thought > 100_000 * 256 * 4 / 1e6
    assert sizes.index_mb(cell, {"hnswlib": 2.0}) == pytest.approx(2 * thought)
    assert set(twice) == {"hnswlib"}


@pytest.mark.django_db
def test_indexes_that_stand_beside_each_other_need_more_room() -> None:
    campaign = campaigns.create(plan=PLAN, name="room", actor=ACTOR)
    one_by_one = room.need(campaign, only_builds=False)
    together = room.need(campaign, only_builds=True)
    largest = sum(sizes.index_mb(Cell(name, 100_000, 128), {}) for name in PLAN.engines)
    assert one_by_one.indexes_mb == pytest.approx(largest, abs=1)
    assert together.indexes_mb == pytest.approx(largest * 1.1, abs=1)
    assert together.corpora_mb == one_by_one.corpora_mb


@pytest.mark.django_db
def test_sizes_that_were_measured_correct_what_was_thought() -> None:
    small = campaigns.create(plan=PLAN, name="before", actor=ACTOR)
    before = room.need(small, only_builds=True)
    for row in campaigns.create(plan=PLAN, name="measured", actor=ACTOR).cells.all():
        size = 20 * row.what.scale * row.what.dimension * 4
        own = measured.samples(Cell("hnswlib", row.what.scale, row.what.dimension))
        measured.measure(row, own, size_bytes=size)
    assert room.need(small, only_builds=True).indexes_mb > 5 * before.indexes_mb


@pytest.mark.django_db
def test_a_campaign_that_does_not_fit_is_refused_before_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "RESERVE_MB", room.free_mb() + 1_000_000)
    with pytest.raises(OutOfSpace, match=r"MB free.*must stay free.*choose fewer engines"):
        dispatch.start(plan=PLAN, name="too large", actor=ACTOR, only_builds=True)
    assert not Campaign.objects.filter(name="too large").exists()


@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_a_campaign_rests_when_the_disk_gets_short_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    campaign = dispatch.start(plan=SMALL, name="short", actor=ACTOR, wishes=ONCE)
    with monkeypatch.context() as patched:
        patched.setattr(room, "LEAST_MB", room.free_mb() + 1_000_000)
        perform(str(campaign.run_id), worker="test")
    run = Run.objects.get(pk=str(campaign.run_id))
    assert run.state == State.SUCCEEDED
    assert "must stay free" in run.result["reason"]
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert campaign.state == "paused"
    again = dispatch.resume(campaign=campaign, actor=ACTOR)
    perform(str(again.pk), worker="test")
    assert Campaign.objects.get(pk=campaign.pk).state == "complete"


@pytest.mark.django_db(transaction=True)
def test_what_could_not_be_written_is_said_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = "could not extend file base/5/16399: No space left on device"

    def full(_work: object) -> None:
        raise DiskFull(words)

    campaign = dispatch.start(plan=SMALL, name="full", actor=ACTOR, wishes=ONCE)
    monkeypatch.setattr(running._Work, "all", full)
    perform(str(campaign.run_id), worker="test")
    run = Run.objects.get(pk=str(campaign.run_id))
    assert words in run.result["reason"]
    assert Campaign.objects.get(pk=campaign.pk).state == "paused"

"""The live terminal view of a campaign."""

import io

import pytest
from django.utils import translation
from rich.cells import cell_len
from rich.console import Console

from portal.core.actors import Actor
from portal.lib import clock
from portal.runs.models import Run, RunEvent, State
from search.lab import dispatch, selectors
from search.lab.management import dashboard
from search.lab.management.commands import benchmark
from search.lab.models import Campaign, CellResult
from tests.search.lab import measured

pytestmark = pytest.mark.django_db


def shown(campaign: Campaign) -> str:
    screen = Console(file=io.StringIO(), width=140, record=True)
    screen.print(dashboard.frame(campaign, width=140))
    return screen.export_text()


@pytest.fixture
def campaign() -> Campaign:
    """Give a campaign whose run waits, with one cell measured and one failed."""
    made = dispatch.start(plan=measured.PLAN, name="[red]살아 있음", actor=Actor.system("test"))
    first, second, *_rest = made.cells.all()
    measured.measure(first, measured.samples(first.what), is_disturbed=True)
    CellResult.objects.filter(pk=second.pk).update(
        state=CellResult.State.FAILED, error="no [bold]room\nat all"
    )
    run = Run.objects.get(pk=str(made.run_id))
    RunEvent.objects.create(run=run, type=RunEvent.Type.LOG, message="faiss-flat failed: no room")
    return made


def test_a_picture_shows_progress_cells_and_events(campaign: Campaign) -> None:
    text = shown(campaign)

    assert "[red]살아 있음" in text
    assert "2 of 24 cells, 1 failed" in text
    assert "disturbed" in text
    assert "no [bold]room" in text
    assert "faiss-flat failed: no room" in text
    assert "left" in text
    assert "the campaign goes on" in text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 18), (200, 50)])
def test_a_picture_fits_the_terminal(campaign: Campaign, width: int, height: int) -> None:
    for row in campaign.cells.filter(state=CellResult.State.WAITING)[:20]:
        measured.measure(row, measured.samples(row.what))
    run = Run.objects.get(pk=str(campaign.run_id))
    for number in range(10):
        RunEvent.objects.create(run=run, type=RunEvent.Type.LOG, message=f"event {number}")

    screen = Console(file=io.StringIO(), width=width, record=True)
    screen.print(dashboard.frame(campaign, width, height))
    lines = screen.export_text().splitlines()
    assert len(lines) <= height
    assert "the campaign goes on" in lines[-1]
    assert any("event 9" in line for line in lines)
    assert any("100,000 x " in line for line in lines)
    assert all(cell_len(line) <= width for line in lines)


def test_a_korean_picture_keeps_its_frame_in_a_small_terminal(campaign: Campaign) -> None:
    screen = Console(file=io.StringIO(), width=80, record=True)
    with translation.override("ko"):
        screen.print(dashboard.frame(campaign, 80, 24))
    framed = [line for line in screen.export_text().splitlines() if line.startswith(("│", "╭"))]
    assert {cell_len(line) for line in framed} == {80}
    assert any("벡터" in line for line in framed)


@pytest.mark.parametrize("how", ["q", "interrupt"])
def test_leaving_the_view_leaves_the_campaign_at_work(campaign: Campaign, how: str) -> None:
    def pressed(_seconds: float) -> bool:
        if how == "interrupt":
            raise KeyboardInterrupt
        return True

    ended = dashboard.watch(campaign, Console(file=io.StringIO()), pressed)

    assert not ended
    assert Run.objects.get(pk=str(campaign.run_id)).state == State.QUEUED


def test_the_view_ends_with_the_run(campaign: Campaign) -> None:
    def pressed(_seconds: float) -> bool:
        Run.objects.filter(pk=str(campaign.run_id)).update(
            state=State.CANCELLED, finished_at=clock.now()
        )
        return False

    assert dashboard.watch(campaign, Console(file=io.StringIO()), pressed)


def test_the_table_and_the_log_speak_the_portals_language(campaign: Campaign) -> None:
    with translation.override("ko"):
        screen = Console(file=io.StringIO(), width=200, record=True)
        screen.print(benchmark.table(campaign))
        text = screen.export_text()
        sentence = selectors.told(selectors.lines(campaign)[0])
    assert "다른 부하로 방해받음" in text
    assert "no [bold]room" in text
    assert "대기" in text
    assert not {"disturbed", "measured", "waiting"} & set(text.split())
    assert sentence.startswith("hnswlib 10,000 x 128, 벡터: ")
    assert sentence.endswith("건입니다.")

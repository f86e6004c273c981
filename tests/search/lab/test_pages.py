"""The lab's pages: the list, the form, a campaign, its buttons."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from selectolax.lexbor import LexborHTMLParser

from portal.core.actors import Actor
from portal.core.models import User
from portal.lib import clock
from portal.lib.hashing import digest_json
from portal.runs import artifacts
from portal.runs.models import Schedule
from portal.runs.services import schedules
from search.lab import dispatch
from search.lab.engine import pictures
from search.lab.engine.analysis.points import Point
from search.lab.engine.matrix import Cell, Matrix
from search.lab.models import Campaign, CellResult
from search.lab.services import campaigns
from tests.search.lab import measured

ACTOR = Actor.system("test")
SMALL = Matrix(
    scales=(1_000,),
    dimensions=(16,),
    search_types=("vector",),
    filters=(None,),
    engines=("faiss-flat", "hnswlib"),
)
FIGURE = {"value": 1.5, "low": 1.25, "high": 1.75, "n": 10}
pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]


def granted(*codenames: str) -> Client:
    user = User.objects.create_user("engineer", is_staff=True)
    rows = Permission.objects.filter(content_type__app_label="lab", codename__in=codenames)
    user.user_permissions.set(rows)
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


WORK = ("view_campaign", "add_campaign", "change_campaign")


def page(campaign: Campaign, name: str = "change") -> str:
    return reverse(f"admin:lab_campaign_{name}", args=[campaign.pk])


def _figures() -> dict[str, Any]:
    names = ("p50", "p95", "p99", "cpu", "recall", "throughput")
    return dict.fromkeys(names, FIGURE) | {"recall": FIGURE | {"value": 0.97}}


def measure(campaign: Campaign, place: int = 0, **change: Any) -> None:
    """Write a result into a cell as a worker does, the first by default."""
    facts = {
        "figures": _figures(),
        "uses_index": False,
        "falls_short": True,
        "is_disturbed": True,
        "build_s": 2.0,
        "size_bytes": 1_000_000,
        "peak_mb": 100.0,
        "elapsed_s": 12.0,
        "per_second": {"1": [900.0]},
    } | change
    row = campaign.cells.all()[place]
    CellResult.objects.filter(pk=row.pk).update(
        state=CellResult.State.MEASURED,
        facts=facts,
        digest=digest_json(facts),
        samples=artifacts.save(b"samples", "application/octet-stream"),
        measured_at=clock.now(),
    )


def test_an_empty_list_says_what_to_do() -> None:
    answer = granted(*WORK).get(reverse("admin:lab_campaign_changelist"))
    assert "Press “Measure engines”" in answer.text


def test_a_campaign_shows_figures_flags_and_the_time_left() -> None:
    campaign = dispatch.start(plan=SMALL, name="Engines <b>", actor=ACTOR)
    measure(campaign)
    client = granted(*WORK)
    answer = client.get(page(campaign))
    assert answer.status_code == 200
    for text in (
        "Engines &lt;b&gt;",
        "index not used",
        "fewer rows than k",
        "disturbed",
        "1.250 … 1.750",
        "from measured cells",
        "1 cell waits",
        "mw-hollow",
        page(campaign, "pause"),
        page(campaign, "cancel"),
    ):
        assert text in answer.text, text
    live = client.get(page(campaign, "live")).json()
    assert "faiss-flat 1,000 x 16" in live["html"]
    assert "Load of this server" in live["html"]
    assert not live["is_terminal"]
    for odd in ("x", "9" * 30):
        assert client.get(page(campaign, "live"), {"after": odd}).status_code == 200
    assert "Engines" in client.get(reverse("admin:lab_campaign_changelist")).text


def test_pause_resume_and_cancel_ask_first_and_then_do() -> None:
    client = granted(*WORK)
    engineer = Actor.of_user(User.objects.get(username="engineer"), via="person")
    campaign = dispatch.start(plan=SMALL, name="acts", actor=engineer)
    assert client.get(page(campaign, "pause")).status_code == 200
    assert client.post(page(campaign, "pause")).status_code == 302
    assert Campaign.objects.get(pk=campaign.pk).state == "paused"
    assert client.post(page(campaign, "resume")).status_code == 302
    assert client.post(page(campaign, "cancel")).status_code == 302
    assert Campaign.objects.get(pk=campaign.pk).state == "cancelled"
    answer = client.post(page(campaign, "cancel"))
    assert answer.status_code == 409
    assert "nothing to cancel" in answer.text
    assert page(campaign, "resume") in client.get(page(campaign)).text
    assert client.post(page(campaign, "resume")).status_code == 302
    assert Campaign.objects.get(pk=campaign.pk).state == "queued"


def test_the_form_starts_what_is_ticked_and_says_how_long_it_takes() -> None:
    client = granted(*WORK)
    given = {
        "name": "ticked",
        "scales": ["10000"],
        "dimensions": ["128", "256"],
        "search_types": ["vector"],
        "filters": ["none"],
        "engines": ["hnswlib"],
        "lexical": "tantivy",
        "parameters": "hnswlib.m=8",
        "workers": "",
        "max_memory_mb": "0",
        "passes": "2",
        "tries": "3",
        "seed": "0",
        "clients": "1, 2",
        "timed_builds": "0",
    }
    said = client.get(reverse("admin:lab_campaign_estimate"), given).json()["text"]
    assert said.startswith("2 cells, about ")
    assert "of the disk" in said
    odd = client.get(reverse("admin:lab_campaign_estimate"), given | {"clients": "two"}).json()
    assert odd["tone"] == "bad"
    assert "“two” is no list of whole numbers" in odd["text"]
    for passes in ("9" * 400, "-3"):
        odd = client.get(reverse("admin:lab_campaign_estimate"), given | {"passes": passes}).json()
        assert odd["tone"] == "bad"
        assert "passes is" in odd["text"] or "Passes" in odd["text"]
    lone = client.get(reverse("admin:lab_campaign_estimate"), given | {"workers": "2"}).json()
    assert "ask for parallel builds too" in lone["text"]
    start = reverse("admin:lab_campaign_start")
    assert "Generated Korean" in client.get(start).text
    wrong = client.post(start, given | {"workers": "99", "parallel": "on"})
    assert wrong.status_code == 422
    assert "workers is 99" in wrong.text
    alone = client.post(start, given | {"workers": "2"})
    assert (alone.status_code, "ask for parallel builds too" in alone.text) == (422, True)
    speed = client.post(start, given | {"parameters": "hnswlib.speed=1"})
    assert (speed.status_code, "has no parameter" in speed.text) == (422, True)
    none = client.post(start, given | {"engines": []})
    assert "No engines is chosen" in none.text
    assert client.post(start, given).status_code == 302
    campaign = Campaign.objects.get(name="ticked")
    assert campaign.cells.count() == 2
    assert campaign.clients == [1, 2]
    assert {row.what.parameters["m"] for row in campaign.cells.all()} == {8}
    assert campaign.n_workers == 1


def test_the_form_begins_with_the_profile_that_is_chosen() -> None:
    client = granted(*WORK)
    start = reverse("admin:lab_campaign_start")
    full = LexborHTMLParser(client.get(start, {"profile": "full"}).text)
    usual = LexborHTMLParser(client.get(start, {"profile": "odd"}).text)
    assert len(full.css("input[name=scales][checked]")) == 3
    assert len(usual.css("input[name=scales][checked]")) == 1
    assert [one.attributes["href"] for one in usual.css("a.mw-sort[aria-current]")] == [
        "?profile=quick"
    ]


def test_a_measured_campaign_says_what_to_take_and_how_sure_that_is() -> None:
    plan = Matrix(
        scales=(1_000,),
        dimensions=(16,),
        search_types=("vector",),
        filters=(None, 0.1),
        engines=("faiss-flat", "hnswlib"),
    )
    campaign = dispatch.start(plan=plan, name="advice", actor=ACTOR)
    _measure_for_advice(campaign, 0.01)
    client = granted(*WORK)
    text = client.get(page(campaign)).text
    assert "surely: faiss-flat x 16 takes 4.00 times as long" in text
    assert "none of 2 sound cells reaches it" in text
    assert text.count("mw-plot-wide") == 2
    assert "data-sortable" in text
    assert "its recall is not sure" not in text
    _measure_for_advice(campaign, 0.03)
    said = "surely: faiss-flat x 16 takes 4.00 times as long; its recall is not sure"
    assert said in client.get(page(campaign)).text


def _measure_for_advice(campaign: Campaign, margin: float) -> None:
    for place, row in enumerate(campaign.cells.all()):
        slow = 1.0 if row.what.engine == "hnswlib" else 4.0
        figure = {"value": slow, "low": slow * 0.9, "high": slow * 1.1, "n": 10}
        recall = 0.5 if row.what.filter_share else 0.97
        exactness = {"value": recall, "low": recall - margin, "high": recall + margin, "n": 10}
        figures = {"p50": figure, "p95": figure, "recall": exactness}
        facts = {"uses_index": True, "falls_short": False, "is_disturbed": False}
        measure(campaign, place, figures=_figures() | figures, passes=[{}, {}], **facts)


def test_a_campaign_is_handed_to_the_schedule_by_who_may_change_schedules() -> None:
    campaign = dispatch.start(plan=SMALL, name="weekly", actor=ACTOR)
    measure(campaign)
    client = granted(*WORK)
    assert page(campaign, "repeat") not in client.get(page(campaign)).text
    assert client.post(page(campaign, "repeat")).status_code == 403
    app, codename = schedules.PERMISSION.split(".")
    permission = Permission.objects.get(content_type__app_label=app, codename=codename)
    User.objects.get(username="engineer").user_permissions.add(permission)
    assert page(campaign, "repeat") in client.get(page(campaign)).text
    assert "repeat-benchmark" in client.get(page(campaign, "repeat")).text
    assert client.post(page(campaign, "repeat")).status_code == 302
    schedule = Schedule.objects.get(name="repeat-benchmark")
    assert schedule.parameters == {"campaign": str(campaign.pk)}
    assert schedule.periodic_task.enabled


def test_two_campaigns_are_compared_on_a_page() -> None:
    then = measured.campaign("then")
    now = measured.campaign("now", slowed=1.25)
    client = granted(*WORK)
    compare = reverse("admin:lab_campaign_compare")
    asked = client.get(compare, {"then": str(then.pk), "now": str(now.pk), "margin": "5"})
    assert asked.status_code == 200
    assert "Cells slower than before: 12." in asked.text
    assert asked.text.count("mw-badge mw-bad") == 12
    link = reverse("campaign-comparison", args=[now.pk])
    assert f"{link}?then={then.pk}&amp;margin=0.05&amp;format=pdf" in asked.text
    linked = client.get(compare, {"then": str(then.pk), "now": str(now.pk)})
    assert 'name="margin" value="5"' in linked.text
    assert client.get(compare).status_code == 200
    odd = client.get(compare, {"then": "x", "now": str(now.pk), "margin": "500"})
    assert odd.status_code == 422
    assert "less than or equal to 100" in odd.text
    other = granted_other()
    assert other.get(compare).status_code == 403


def test_a_repetition_that_failed_throughout_is_shown_as_worse() -> None:
    then, now = measured.campaign("then"), measured.campaign("now")
    now.cells.update(state=CellResult.State.FAILED, facts={}, samples=None, error="no room")
    chosen = {"then": str(then.pk), "now": str(now.pk)}
    client, compare = granted(*WORK), reverse("admin:lab_campaign_compare")
    asked = client.get(compare, chosen)
    assert asked.status_code == 200
    assert "miss their index or rows: 24." in asked.text
    assert "hnswlib 10,000 x 128, vector: failed" in asked.text
    empty = dispatch.start(plan=SMALL, name="empty", actor=ACTOR)
    asked = client.get(compare, chosen | {"now": str(empty.pk)})
    assert asked.status_code == 409
    assert "have no measured cell in common" in asked.text


def granted_other() -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(User.objects.create_user("stranger", is_staff=True))
    return client


def test_who_only_looks_sees_no_button_and_starts_nothing() -> None:
    campaign = dispatch.start(plan=SMALL, name="seen", actor=ACTOR)
    client = granted("view_campaign")
    answer = client.get(page(campaign))
    assert answer.status_code == 200
    assert page(campaign, "pause") not in answer.text
    assert client.post(page(campaign, "pause")).status_code == 403
    assert client.get(reverse("admin:lab_campaign_start")).status_code == 403
    assert client.get(reverse("admin:lab_campaign_estimate")).status_code == 403


def test_the_picture_places_fast_and_exact_cells_below_and_right() -> None:
    fast = Point(Cell("hnswlib", 1_000, 16), 1.0, 2.0, 0.99, 1.0, 1.0, 1.0)
    slow = Point(Cell("faiss-flat", 1_000, 16), 10.0, 20.0, 0.90, 1.0, 1.0, 1.0, is_sound=False)
    picture = pictures.scatter([fast, slow])
    assert picture is not None
    first, second = picture.dots
    assert first.x > second.x
    assert first.y > second.y
    assert (first.is_hollow, second.is_hollow) == (False, True)
    assert [tick.text for tick in picture.y_ticks] == ["1", "3", "10"]
    assert pictures.scatter([]) is None


def test_lines_of_a_picture_lie_as_close_as_its_cells() -> None:
    points = [
        Point(Cell("hnswlib", 1_000, 16), 1.0, 2.0, 0.992, 1.0, 1.0, 1.0),
        Point(Cell("faiss-flat", 1_000, 16), 1.2, 2.0, 1.0, 1.0, 1.0, 1.0),
        Point(Cell("usearch", 1_000, 16), 1.3, 2.0, 0.991, 1.0, 1.0, 1.0),
    ]
    (picture,) = pictures.by_need(points)
    assert [tick.text for tick in picture.x_ticks] == ["0.990", "0.995", "1.000"]
    assert len(picture.y_ticks) >= 2
    assert picture.front.count("H") == 1
    assert pictures.edge(points) == [(0.992, 1.0), (1.0, 1.2)]


def test_a_collection_writes_its_size_into_the_cells() -> None:
    campaign = campaigns.create(plan=SMALL, name="own", actor=ACTOR)
    campaigns.set_scale(campaign=campaign, scale=1_234)
    cells = [row.what for row in campaign.cells.all()]
    assert {cell.scale for cell in cells} == {1_234}
    assert [row.key for row in campaign.cells.all()] == [cell.key for cell in cells]
    assert Campaign.objects.get(pk=campaign.pk).matrix["scales"] == [1_234]

"""Each hour of each source against what is expected, and what is said of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from monitoring.models import Expectation, QualityWindow, Refusal, Rule
from monitoring.models.quality import ALL
from monitoring.selectors import quality as selectors
from monitoring.services.quality import checking, learning, quarantine, telling
from portal.core import alerts, refused
from portal.core.models import Alert
from portal.core.refused import Batch, Fault
from portal.lib import clock
from portal.registry.models import ModelVersion
from tests.monitoring.quality.conftest import LAST_HOUR, NOW, SCOPE, send, shots

Status = QualityWindow.Status
pytestmark = pytest.mark.django_db


def window(source: str = "key:1") -> QualityWindow:
    return QualityWindow.objects.filter(scope=SCOPE, source=source).latest("at")


def open_alert(source: str = "key:1") -> Alert | None:
    return Alert.objects.open().filter(key=telling.alert_key(SCOPE, source)).first()


def refuse(column: str, *, n: int, n_listed: int = 50, source: str = "key:1") -> None:
    listed = [Fault(i, column, "null", f"{column} is null.") for i in range(min(n, n_listed))]
    refused.note(Batch(SCOPE, source, listed, n, n, n))


# --- Learned --------------------------------------------------------------------------------------


def test_expectations_are_learned_from_the_baseline(champion: ModelVersion) -> None:
    learning.learn_live(champion)
    found = {(row.column, row.rule): row.limits for row in Expectation.objects.all()}
    assert found["Pressure", Rule.NULLS] == {"max_share": 0.02}
    assert 700 < found["Pressure", Rule.RANGE]["low"] < 900
    assert found["Product_Type", Rule.CATEGORY]["allowed"] == [1, 2]
    assert ("Product_Type", Rule.RANGE) not in found
    assert found["", Rule.DUPLICATES] == {"max_share": 0.05}


def test_learning_again_changes_nothing_and_leaves_what_a_person_set(
    champion: ModelVersion,
) -> None:
    learning.learn_live(champion)
    rows = Expectation.objects.filter(column="Temp", rule=Rule.NULLS)
    rows.update(edited={"max_share": 0.5}, learned={"max_share": 0.9})
    assert learning.learn_live(champion) == 1
    assert learning.learn_live(champion) == 0
    assert (rows.get().limits, rows.get().learned) == ({"max_share": 0.5}, {"max_share": 0.02})


def test_columns_that_the_champion_no_longer_takes_are_forgotten(champion: ModelVersion) -> None:
    Expectation.objects.create(scope=SCOPE, column="Old", rule=Rule.NULLS, learned={})
    mine = Expectation.objects.create(scope=SCOPE, column="Mine", rule=Rule.NULLS, edited={})
    send(champion, shots(60))
    checking.check()
    assert window().status == Status.GOOD
    assert set(Expectation.objects.filter(column__in=["Old", "Mine"])) == {mine}


# --- Checked --------------------------------------------------------------------------------------


def test_an_hour_as_in_training_is_good(champion: ModelVersion) -> None:
    send(champion, shots(200))
    assert checking.check() == 1
    found = window()
    assert (found.status, found.n_rows, found.failures) == (Status.GOOD, 200, [])
    assert not Alert.objects.open().exists()


def test_each_rule_finds_its_fault(champion: ModelVersion) -> None:
    rows = shots(200)
    for place, row in enumerate(rows):
        if place % 4 == 0:
            row["Pressure"] = None
        if place % 4 == 1:
            row["Temp"] = 5.0
        if place % 4 == 2:
            row["Product_Type"] = 7.0
    send(champion, [*rows, *rows[:40]])
    checking.check()
    found = {(one["column"], one["rule"]) for one in window().failures}
    assert found == {
        ("Pressure", Rule.NULLS),
        ("Temp", Rule.RANGE),
        ("Product_Type", Rule.CATEGORY),
        ("", Rule.DUPLICATES),
    }
    alert = open_alert()
    assert alert is not None
    assert "Missing values" in alert.message or "Unknown category" in alert.message
    assert "기대와 다릅니다" in alert.translations["ko"]


def test_the_alert_closes_with_the_next_good_hour(champion: ModelVersion) -> None:
    before = LAST_HOUR - timedelta(hours=1)
    send(champion, [{**row, "Temp": None} for row in shots(60)], at=before)
    checking.check(now=before + timedelta(hours=1, minutes=15))
    assert open_alert()
    send(champion, shots(60, seed=4))
    checking.check()
    assert (window().status, open_alert()) == (Status.GOOD, None)


def test_few_rows_are_not_judged(champion: ModelVersion) -> None:
    send(champion, [{**row, "Temp": None} for row in shots(10)])
    checking.check()
    assert (window().status, open_alert()) == (Status.FEW, None)


def test_what_was_refused_counts_as_sent(champion: ModelVersion) -> None:
    refuse("Temp", n=400)
    quarantine.collect()
    hour = Refusal.objects.latest("at").at
    checking.check(now=hour + timedelta(hours=1, minutes=15))
    found = window()
    assert (found.n_rows, found.n_refused, found.status) == (0, 400, Status.BAD)
    # Fifty were listed; the others count as more of the same.
    assert found.nulls == {"Temp": 400}


def test_refused_rows_weigh_no_more_than_those_looked_at(
    champion: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "MOST_LOOKED", 50)
    refuse("Temp", n=10)
    quarantine.collect()
    hour = Refusal.objects.latest("at").at
    send(champion, shots(1_000), at=hour)
    checking.check(now=hour + timedelta(hours=1, minutes=15))
    found = window()
    assert (found.n_rows, found.n_looked, found.n_refused) == (1_000, 50, 10)
    assert found.n_judged == 50
    assert found.status == Status.GOOD


def test_an_hour_is_checked_once_and_missed_hours_are_caught_up(champion: ModelVersion) -> None:
    for hours in (5, 3):
        send(champion, shots(40, seed=hours), at=LAST_HOUR - timedelta(hours=hours))
    assert checking.check() == 2
    assert checking.check() == 0
    assert QualityWindow.objects.filter(source=ALL).count() == 2


def test_an_hour_whose_check_dies_in_the_middle_is_checked_whole(champion: ModelVersion) -> None:
    send(champion, shots(40), source="key:1")
    send(champion, shots(40, seed=4), source="key:2")
    inserts: list[str] = []

    def fails_the_second(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        if sql.startswith('INSERT INTO "monitoring_qualitywindow"'):
            inserts.append(sql)
            if len(inserts) == 2:
                raise OperationalError("the connection is gone")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fails_the_second), pytest.raises(OperationalError):
        checking.check()
    assert not QualityWindow.objects.exists()
    assert checking.check() == 2


# --- Volume and silence: of all sources together --------------------------------------------------


@pytest.fixture
def past(champion: ModelVersion) -> ModelVersion:
    """Give a champion that two lines have asked a hundred times an hour for eight days."""
    start = LAST_HOUR - timedelta(hours=1)
    QualityWindow.objects.bulk_create(
        QualityWindow(
            scope=SCOPE,
            source=source,
            at=start - timedelta(hours=hours),
            n_rows=100,
            n_looked=100,
            last_row_at=start - timedelta(hours=hours - 1, minutes=1),
            status=Status.GOOD,
        )
        for hours in range(8 * 24 + 2)
        for source in ("key:1", "key:2")
    )
    return champion


def test_a_line_of_its_own_small_share_is_no_matter(past: ModelVersion) -> None:
    send(past, shots(195))
    send(past, shots(40, seed=5), source="key:3")
    checking.check()
    assert (window(ALL).status, window("key:3").status) == (Status.GOOD, Status.GOOD)
    assert window(ALL).n_rows == 235


def test_far_too_few_rows_are_found(past: ModelVersion) -> None:
    send(past, shots(35))
    checking.check()
    (failure,) = window(ALL).failures
    assert (failure["rule"], failure["value"]) == (Rule.VOLUME, 35)
    assert window().status == Status.GOOD
    alert = open_alert(ALL)
    assert alert is not None
    assert "all sources" in alert.message


def test_silence_is_told_and_over_with_the_next_row(past: ModelVersion) -> None:
    silence = Alert.objects.open().filter(key=f"data-silence:{SCOPE}")
    checking.check(now=LAST_HOUR + timedelta(hours=1, minutes=15))
    assert not silence.exists()
    checking.check(now=NOW + timedelta(hours=9))
    assert silence.exists()
    send(past, shots(5), at=NOW + timedelta(hours=9))
    checking.check(now=NOW + timedelta(hours=9, minutes=2))
    assert not silence.exists()


def test_an_alert_that_nothing_renews_closes(db: None) -> None:
    raised = alerts.raise_alert(telling.alert_key(SCOPE, "key:9"), "warning", "broken")
    assert telling.close_old(clock.now() + timedelta(days=6)) == 0
    assert telling.close_old(clock.now() + timedelta(days=8)) == 1
    raised.refresh_from_db()
    assert raised.resolved_at is not None


# --- Shown ----------------------------------------------------------------------------------------


def test_the_board_tells_the_share_by_column_and_hour(champion: ModelVersion) -> None:
    rows = [{**row, "Temp": None} if i % 2 else row for i, row in enumerate(shots(100))]
    send(champion, rows)
    checking.check()
    board = selectors.null_board(SCOPE, "key:1", NOW)
    temp = next(line for line in board.lines if line.column == "Temp")
    assert (temp.cells[-1].share, temp.cells[-2].share, temp.limit) == (0.5, None, 0.02)
    assert [line.column for line in board.lines] == ["Pressure", "Product_Type", "Temp"]


def test_sources_in_trouble_come_first(
    champion: ModelVersion, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    send(champion, shots(60), source="key:1")
    send(champion, [{**row, "Temp": None} for row in shots(60)], source="key:2")
    checking.check()
    with django_assert_max_num_queries(6):
        found = selectors.sources(NOW)
    assert next(one.source for one in found) == "key:2"
    assert {one.source for one in found} == {ALL, "key:1", "key:2"}


def test_windows_are_kept_for_ninety_days(champion: ModelVersion) -> None:
    send(champion, shots(40))
    checking.check()
    assert checking.remove_old(LAST_HOUR + timedelta(days=89)) == 0
    assert checking.remove_old(LAST_HOUR + timedelta(days=91)) == 2

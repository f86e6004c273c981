from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from portal.core.api.pages import CursorPage, _encode
from portal.core.models import Alert
from portal.lib import clock
from tests.core import probe

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.probe")]
ROWS = "/api/probe/rows/"


@pytest.fixture
def caller(bearer: Callable[..., Client]) -> Client:
    return bearer("read")


@pytest.fixture
def rows() -> list[Alert]:
    """Give eleven alerts, of which always three share a time."""
    start = clock.now()
    return Alert.objects.bulk_create(
        Alert(
            key=f"k{number:02}",
            severity="warning" if number % 2 else "info",
            message="m",
            n_times=number // 4,
            last_at=start + timedelta(seconds=number // 3),
        )
        for number in range(11)
    )


def read_all(caller: Client, **query: Any) -> list[str]:
    """Follow the cursor to the end and return the keys seen."""
    keys: list[str] = []
    while True:
        body = caller.get(f"{ROWS}?{urlencode(query)}").json()
        keys += [row["key"] for row in body["results"]]
        if body["next_cursor"] is None:
            return keys
        query["cursor"] = body["next_cursor"]


@pytest.mark.parametrize("ordering", ["last_at", "-last_at", "n_times", "-n_times", "key", "-key"])
@pytest.mark.parametrize("limit", [1, 2, 3, 11, 500])
def test_pages_show_every_row_once_in_order(
    caller: Client, rows: list[Alert], ordering: str, limit: int
) -> None:
    sign = "-" if ordering.startswith("-") else ""
    wanted = Alert.objects.order_by(ordering, f"{sign}pk").values_list("key", flat=True)
    assert read_all(caller, ordering=ordering, limit=limit) == list(wanted)


def test_the_next_link_leads_on_and_keeps_the_filters(caller: Client, rows: list[Alert]) -> None:
    body = caller.get(f"{ROWS}?limit=3&severity=info").json()
    link = urlsplit(body["next"])
    more = caller.get(f"{link.path}?{link.query}").json()
    seen = [row["key"] for row in body["results"] + more["results"]]
    assert len(seen) == len(set(seen)) == 6
    assert {row["severity"] for row in more["results"]} == {"info"}


def test_rows_written_meanwhile_move_nothing(caller: Client, rows: list[Alert]) -> None:
    first = caller.get(f"{ROWS}?limit=4&ordering=-last_at").json()
    Alert.objects.create(
        key="new", severity="info", message="m", last_at=clock.now() + timedelta(1)
    )
    rest = read_all(caller, limit=4, ordering="-last_at", cursor=first["next_cursor"])
    assert len(rest) == 7
    assert "new" not in rest


def test_a_list_counts_nothing_and_reads_one_page(
    caller: Client, rows: list[Alert], django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(5) as captured:  # key, its use, its rights, page
        caller.get(ROWS, {"limit": 2})
    assert not any("COUNT(" in query["sql"] for query in captured.captured_queries)


def test_times_are_utc(caller: Client, rows: list[Alert]) -> None:
    assert caller.get(ROWS).json()["results"][0]["last_at"].endswith("Z")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": "1.5"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"limit": "9" * 400}, "limit"),
        ({"limit": "\u0663"}, "limit"),
        ({"ordering": "message"}, "ordering"),
        ({"ordering": "--key"}, "ordering"),
        ({"ordering": ""}, "ordering"),
        ({"ordering": "key,last_at"}, "ordering"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "!!!!"}, "cursor"),
        ({"cursor": "\u00e9"}, "cursor"),
        ({"cursor": "WzEsMiwzXQ"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),
        ({"cursor": "eyJhIjoxfQ"}, "cursor"),
        ({"severity": "loud"}, "severity"),
        ({"serverity": "info"}, "serverity"),
        ({"page": "2"}, "page"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_by_name(
    caller: Client, query: dict[str, str], field: str
) -> None:
    answer = caller.get(ROWS, query)
    assert answer.status_code == 422
    assert [item["field"] for item in answer.json()["errors"]] == [field]


def test_the_cursor_of_another_ordering_is_refused(caller: Client, rows: list[Alert]) -> None:
    cursor = caller.get(f"{ROWS}?limit=2&ordering=key").json()["next_cursor"]
    answer = caller.get(ROWS, {"cursor": cursor, "ordering": "-key"})
    assert answer.json()["errors"][0]["code"] == "invalid_cursor"


def test_a_forged_cursor_value_is_refused(caller: Client, rows: list[Alert]) -> None:
    for parts in (["last_at", "not a time", str(rows[0].pk)], ["last_at", str(clock.now()), "1"]):
        answer = caller.get(f"{ROWS}?cursor={_encode(parts)}&ordering=last_at")
        assert answer.status_code == 422


def test_a_column_that_may_be_null_cannot_order_a_list(rf: Any, rows: list[Alert]) -> None:
    view = probe.Rows()
    view.ordering_fields = ("resolved_at",)  # type: ignore[assignment]  # the mistake under test
    request = view.initialize_request(rf.get(ROWS, {"ordering": "resolved_at", "limit": "1"}))
    with pytest.raises(ImproperlyConfigured, match="may be NULL"):
        CursorPage().paginate_queryset(Alert.objects.all(), request, view)

"""Every kind of page in a browser: accessible in both themes, narrow, small, from here alone."""

from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]  # no types
from playwright.sync_api import Page

from tests.console.test_browser import CHROMIUM, PHONE, WIDE, Open, chromium, open_as, playwright
from tests.live import LiveStack

__all__ = ["chromium", "open_as", "playwright"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]

SLOW_MS = 120_000
MOST_SCRIPT = 300 * 1024
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: One page of each kind; lists look alike.
PAGES = (
    "",
    "quality/",
    "quality/analysis/",
    "quality/assistant/",
    "quality/history/",
    "value/",
    "reports/",
    "wall/",
    "runs/run/",
    "runs/schedule/calendar/",
    "registry/promotionrequest/",
    "monitoring/driftwindow/",
    "monitoring/objective/",
    "monitoring/qualitywindow/",
    "search/collection/search/",
    "predictions/dataset/add/",
    "predictions/routingprediction/ask/",
    "monitoring/alertrule/add/",
    "core/apikey/add/",
    "core/user/add/",
    "tuning/study/start/",
    "tuning/study/put-rate/",
    "tuning/instance/",
    "tuning/study/",
    "auth/group/add/",
    "lab/campaign/start/",
    "lab/campaign/compare/",
    "lab/campaign/tune/",
)
#: Lists with something in them, and the page of their first row.
LISTS = ("auth/group", "core/user", "runs/run", "runs/schedule", "core/auditentry")


ENGINE = """
from datetime import timedelta
from portal.lib import clock
from tuning.services import instances
start = clock.now() - timedelta(minutes=4)
rows = [
    {"at": start + timedelta(seconds=n), "rate": float(n), "rate_source": "wal", "cpu_cores": 0.5}
    for n in range(200)
]
about = instances.About(host="db1", folder="/data/db", options={"compression": "lz4"})
print("ENGINE", instances.take(name="engine", about=about, samples=rows).instance.pk)
"""


@pytest.fixture(scope="module")
def portal(live_stack: LiveStack) -> LiveStack:
    return live_stack


@pytest.fixture
def engine(portal: LiveStack) -> str:
    """Give the address of the page of a running engine."""
    said = portal.manage("shell", "-v", "0", "-c", ENGINE)
    return f"tuning/instance/{said.split()[-1]}/change/"


def serious(page: Page, *, is_dark: bool) -> list[str]:
    """Return what axe finds serious or critical; in the dark only colours can differ."""
    page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", is_dark)
    page.evaluate(
        "document.getAnimations().forEach(one => {"
        " if (one.effect.getComputedTiming().endTime !== Infinity) one.finish(); })"
    )
    only: dict[str, Any] = {"type": "tag", "values": TAGS}
    if is_dark:
        only = {"type": "rule", "values": ["color-contrast"]}
    found = page.evaluate("only => axe.run({resultTypes: ['violations'], runOnly: only})", only)[
        "violations"
    ]
    return [
        f"{one['id']} {'dark' if is_dark else 'light'}: {node['html'][:200]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


def rows_of(page: Page, portal: LiveStack) -> list[str]:
    """Return the lists that are not empty, each with the page of its first row."""
    found: list[str] = []
    for name in LISTS:
        page.goto(f"{portal.url}/admin/{name}/")
        row = page.locator(f"#changelist a[href*='/admin/{name}/'][href*='/change/']").first
        if row.count():
            address = str(row.evaluate("a => a.href.split('?')[0]"))
            found += [f"{name}/", address.removeprefix(f"{portal.url}/admin/")]
    return found


def script_bytes(page: Page) -> int:
    """Return the bytes of script that the page was sent."""
    return int(
        page.evaluate(
            "performance.getEntriesByType('resource').filter(one => one.initiatorType === 'script')"
            ".reduce((sum, one) => sum + one.encodedBodySize, 0)"
        )
    )


def test_every_page_is_accessible_narrow_and_small(
    portal: LiveStack, open_as: Open, engine: str
) -> None:
    page = open_as("admin")  # the fixture lets no request leave the host
    page.set_default_timeout(SLOW_MS)
    problems: list[str] = []
    for name in (*PAGES, engine, *rows_of(page, portal)):
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]  # a width and a height
        answer = page.goto(f"{portal.url}/admin/{name}")
        assert answer is not None
        assert answer.status == 200, name
        sent = script_bytes(page)
        page.evaluate(AXE_SCRIPT)
        found = [*serious(page, is_dark=False), *serious(page, is_dark=True)]
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # as above
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        problems += [f"{name}: {one}" for one in found]
        if over > 0:
            problems.append(f"{name}: {over} px wider than a phone")
        if sent > MOST_SCRIPT:
            problems.append(f"{name}: {sent} bytes of script")
    assert not problems, "\n".join(problems)

"""The search pages in a real browser: keys, the answer beside the hits, grading, an upload."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.test_browser import (
    CHROMIUM,
    PASSWORD,
    PHONE,
    Open,
    chromium,
    open_as,
    playwright,
    state,
)
from tests.live import LiveStack
from tests.waiting import wait_for

__all__ = ["chromium", "open_as", "playwright"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]

PATIENCE_S = 200
SLOW_MS = 60_000
PREPARE = f"""
from django.contrib.auth.models import Group
from portal.core.actors import Actor
from portal.core.models import User
from search import dispatch
from search.services import collections, documents
from search.services.documents import Incoming
user = User.objects.create_user("sena", password={PASSWORD!r}, is_staff=True)
user.groups.set(Group.objects.filter(name="operator"))
actor = Actor.system("test")
made = collections.create(name="browsed", title="Browsed", actor=actor)
texts = dict(
    bubbles="기포 결함은 용탕에 섞인 공기가 빠지지 못해 생긴다. 진공도를 높이면 줄어든다.",
    soldering="Soldering is aluminium that sticks to the die. Cool the die and spray evenly.",
    flash="Flash is metal that leaks between the die halves. Check the clamping force.",
)
rows = [
    Incoming(name, text, title=name.title(), taxonomy=f"defects/{{name}}")
    for name, text in texts.items()
]
documents.upsert(collection=made, documents=rows, actor=actor)
dispatch.build_if_needed(collection=made, actor=actor)
"""


@pytest.fixture(scope="module")
def portal(live_stack: LiveStack) -> LiveStack:
    live_stack.manage("shell", "-c", PREPARE)
    return live_stack


def search_page(portal: LiveStack, query: str = "") -> str:
    return f"{portal.url}/admin/search/collection/search/?collection=browsed&q={query}"


def answers(page: Page, address: str) -> bool:
    reply = page.goto(address)
    return reply is not None and reply.status == 200


def test_somebody_asks_opens_judges_and_adds(
    portal: LiveStack, open_as: Open, tmp_path: Path
) -> None:
    page = open_as("sena")
    wait_for(lambda: answers(page, search_page(portal, "flash")), PATIENCE_S)

    # Without spaces, by keyboard alone.
    page.goto(search_page(portal))
    page.locator(".mw-title").click()
    page.keyboard.press("/")
    expect(page.locator("#id_q")).to_be_focused()
    page.keyboard.type("기포가생기는까닭")
    page.keyboard.press("Enter")
    first = page.locator("[data-hit]").first
    expect(first.locator("h2")).to_have_text("Bubbles", timeout=SLOW_MS)
    expect(first.locator("mark").first).to_be_visible()
    expect(page.locator("[data-answer] [role=status]")).to_have_count(0, timeout=SLOW_MS)

    page.keyboard.press("j")
    expect(first.get_by_role("link", name="Bubbles")).to_be_focused()
    page.keyboard.press("w")
    expect(first.get_by_text("BM25")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The passage that was found")).to_be_visible(timeout=SLOW_MS)

    def was_opened() -> bool:
        page.goto(f"{portal.url}/admin/search/searchrecord/?q=기포가생기는까닭")
        link = page.locator("#changelist a[href*='/change/']").first
        if not link.count():
            return False
        link.click()
        return page.get_by_text("hit 1,").count() == 1

    wait_for(was_opened, PATIENCE_S)

    page.get_by_role("link", name="Judge these hits").click()
    expect(page.locator("[data-row]").first).to_be_visible(timeout=SLOW_MS)
    page.keyboard.press("3")
    expect(page.locator("input[name=grade-0][value='3']")).to_be_checked()
    page.keyboard.press("s")
    expect(page.get_by_text("The judgements are kept.")).to_be_visible(timeout=SLOW_MS)

    page.goto(search_page(portal))
    page.get_by_role("link", name="Collection", exact=True).click()
    page.get_by_role("link", name="Add documents").first.click()
    file = tmp_path / "crack.md"
    file.write_text("# Cracks\n\nA crack begins where the casting shrinks on the core.\n")
    page.set_input_files("input[name=sent]", file)
    page.get_by_role("button", name="Read the files").click()
    expect(state(page)).to_have_text("Succeeded", timeout=2 * SLOW_MS)


def test_the_search_pages_fit_a_phone(portal: LiveStack, open_as: Open) -> None:
    page = open_as("sena", PHONE, locale="ko")
    wait_for(lambda: answers(page, search_page(portal, "flash")), PATIENCE_S)
    expect(page.locator("[data-aside]")).not_to_have_attribute("open", "")
    addresses = [page.url, f"{portal.url}/admin/search/judgedquery/grade/?collection=browsed&q=die"]
    addresses += [str(page.locator("[data-hit] h2 a").first.evaluate("a => a.href"))]
    page.get_by_role("link", name="컬렉션", exact=True).last.click()
    addresses.append(page.url)
    for address in addresses:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address

"""What people do all day, in a browser: a shot from form to answer, drift, keys, habits."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.test_browser import CHROMIUM, PASSWORD, Open, chromium, open_as, playwright
from tests.live import LiveStack
from tests.waiting import wait_for

__all__ = ["chromium", "open_as", "playwright"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]

PATIENCE_S = 300
SLOW_MS = 120_000
#: More stops than the predict page has.
MOST_TABS = 150
QUESTION = "기포 결함은 왜 생기나요?"
MAKE_PERSON = f"""
from django.contrib.auth.models import Group
from portal.core.models import User
user = User.objects.create_user("flora", password={PASSWORD!r}, is_staff=True)
user.groups.set(Group.objects.filter(name="operator"))
"""
MAKE_EVENT = """
from monitoring.models import DriftEvent, DriftWindow
from portal.lib import clock
from portal.registry.models import RegisteredModel
from portal.registry.selectors import champion
version = champion(RegisteredModel.objects.get(family="quality").name)
window, _made = DriftWindow.objects.get_or_create(
    version=version, slice="browsed", defaults={"window": 100}
)
at = clock.now()
event = DriftEvent.objects.create(
    window=window, signal="columns", level="change", scale="slight", detector="psi",
    statistic=2.0, threshold=1.0, columns={"Cycle_Time": 2.0}, opened_at=at, last_at=at,
    predictions_since=at, predictions_until=at,
)
print("event", event.pk)
"""


@pytest.fixture(scope="module")
def portal(live_stack: LiveStack) -> Iterator[LiveStack]:
    """Give the product with a live model, the documents that ship with it, and an operator."""
    live_stack.manage("seed_knowledge")
    live_stack.manage("seed_demo", "--shots", "1500")
    live_stack.manage("shell", "-c", MAKE_PERSON)
    expect.set_options(timeout=SLOW_MS)
    yield live_stack
    expect.set_options(timeout=None)


def patient(page: Page) -> Page:
    page.set_default_timeout(SLOW_MS)
    return page


def fill_in_an_example(page: Page, portal: LiveStack) -> None:
    """Open the form with an example in it, once the processes of the web have the model."""

    def is_filled() -> bool:
        page.goto(f"{portal.url}/admin/quality/?example=1")
        field = page.locator("#value-Velocity_1")
        return field.count() == 1 and bool(field.input_value())

    wait_for(is_filled, PATIENCE_S)


def focused(page: Page, selector: str) -> bool:
    return bool(page.evaluate("s => document.activeElement.matches(s)", selector))


def tab_to(page: Page, selector: str) -> None:
    for _stop in range(MOST_TABS):
        page.keyboard.press("Tab")
        if focused(page, selector):
            return
    raise AssertionError(f"no Tab reaches {selector}")


def skip_to_content(page: Page) -> None:
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the content")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#content$"))


def test_a_shot_is_predicted_explained_and_asked_about(portal: LiveStack, open_as: Open) -> None:
    page = patient(open_as("flora"))
    fill_in_an_example(page, portal)
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator("#result .mw-gauge")).to_be_visible()

    page.get_by_role("link", name="Why?").click()
    steps = page.locator("#why .mw-wide g.step")
    expect(steps.first).to_be_visible()
    steps.first.focus()
    page.keyboard.press("ArrowDown")
    expect(steps.nth(1)).to_be_focused()
    expect(page.locator("#similar tbody tr").nth(1)).to_be_visible()
    expect(page.locator("#change")).to_contain_text("What to set differently")

    shot = re.search(r"shot=([0-9a-f-]{36})", page.url)
    assert shot is not None
    page.get_by_label("Quality console").get_by_role("link", name="Assistant").click()

    def is_answered() -> bool:  # the documents' index is being built meanwhile
        page.goto(f"{portal.url}/admin/quality/assistant/?shot={shot[1]}")
        page.fill("#ask-q", QUESTION)
        page.get_by_role("button", name="Ask", exact=True).click()
        page.wait_for_url(re.compile("q="))
        return page.locator("#source-1").count() == 1

    wait_for(is_answered, PATIENCE_S)
    expect(page.locator(".mw-answer-text")).to_be_visible()
    page.locator("#source-1 a").click()
    expect(page.get_by_role("heading", name="The passage that was found")).to_be_visible()

    def is_recorded() -> bool:  # the recorder writes what was answered a moment later
        answer = page.goto(f"{portal.url}/admin/predictions/prediction/{shot[1]}/change/")
        return answer is not None and answer.status == 200

    wait_for(is_recorded, PATIENCE_S)
    form = page.locator("#outcomes form")
    form.locator("input[name=label][value=ok]").check()
    form.get_by_role("button", name="Report").click()
    expect(page.get_by_text("What became of the shot is kept.")).to_be_visible()
    expect(page.locator("#outcomes .mw-timeline li")).to_have_count(1)


def test_a_drift_event_is_acknowledged_with_its_cause(portal: LiveStack, open_as: Open) -> None:
    found = re.search(r"event (\d+)", portal.manage("shell", "-c", MAKE_EVENT))
    assert found is not None
    page = patient(open_as("flora"))
    page.goto(f"{portal.url}/admin/monitoring/driftevent/{found[1]}/change/")
    page.get_by_role("link", name="The watch").click()
    page.locator(f".mw-page a[href*='/driftevent/{found[1]}/']").first.click()
    expect(page.get_by_text("Nobody has said yet what it comes from.")).to_be_visible()

    page.get_by_role("link", name="Acknowledge").click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("form.mw-form [role=alert], form.mw-form .mw-error").first).to_be_visible()
    page.fill("textarea[name=cause]", "A new batch of ingots since Monday.")
    page.get_by_role("button", name="Acknowledge").click()

    expect(page.get_by_text("The event is acknowledged.")).to_be_visible()
    expect(page.get_by_text("A new batch of ingots since Monday.").first).to_be_visible()
    expect(page.locator(".mw-badges").first).to_contain_text("acknowledged")
    expect(page.get_by_role("link", name="Change the cause")).to_be_visible()


def test_language_and_theme_outlive_the_sign_in(
    portal: LiveStack, open_as: Open, chromium: Browser
) -> None:
    page = patient(open_as("flora", locale="ko"))
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    page.locator(".mw-language button[value=en]").click()
    expect(page.locator(".mw-title")).to_have_text("Dashboard")
    page.get_by_role("button", name="Theme").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Dark", exact=True).press("Enter")
    expect(page.locator("html")).to_have_class(re.compile("dark"))

    page.locator("form[action$='/admin/logout/']").first.evaluate("form => form.requestSubmit()")
    page.wait_for_url(lambda url: "logout" in url or "login" in url)
    page.goto(f"{portal.url}/admin/login/")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("html")).to_have_class(re.compile("dark"))
    page.fill("input[name=username]", "flora")
    page.fill("input[name=password]", PASSWORD)
    page.locator("#login-form button[type=submit]").click()
    expect(page.locator(".mw-title")).to_have_text("Dashboard")
    expect(page.locator("html")).to_have_class(re.compile("dark"))

    # The browser is closed and opened again: what had no date is gone.
    kept: Any = page.context.storage_state()
    kept["cookies"] = [one for one in kept["cookies"] if one["expires"] > 0]
    opened = chromium.new_context(storage_state=kept, locale="ko")
    again = patient(opened.new_page())
    again.goto(f"{portal.url}/admin/")
    expect(again.locator("html")).to_have_attribute("lang", "en")
    expect(again.locator("html")).to_have_class(re.compile("dark"))
    opened.close()


def test_a_shot_is_predicted_by_keyboard_alone(portal: LiveStack, open_as: Open) -> None:
    page = patient(open_as("flora"))
    fill_in_an_example(page, portal)
    page.goto(f"{portal.url}/admin/quality/")
    skip_to_content(page)
    tab_to(page, ".mw-page a[href$='?example=1']")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"example=1"))

    skip_to_content(page)
    tab_to(page, "#value-Velocity_1")
    page.keyboard.press("Control+A")
    page.keyboard.type("fast")
    page.keyboard.press("Enter")
    expect(page.locator("#value-Velocity_1")).to_be_focused()
    expect(page.get_by_text("This is no number.")).to_be_visible()
    page.goto(f"{portal.url}/admin/quality/?example=1")
    skip_to_content(page)
    tab_to(page, "[data-shot] button")
    page.keyboard.press("Enter")
    expect(page.locator("#result .mw-gauge")).to_be_visible()

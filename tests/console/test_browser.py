"""The console in a real browser, over the whole running product."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect, sync_playwright

from predictions.engine.features import FEATURE_NAMES
from predictions.engine.generator import generate
from tests.live import LiveStack
from tests.waiting import wait_for

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PASSWORD = "a long enough phrase"
PEOPLE = {"olga": "operator", "anna": "approver"}
MAKE_PEOPLE = f"""
from django.contrib.auth.models import Group
from portal.core.models import User
for name, role in {PEOPLE!r}.items():
    user = User.objects.create_user(name, password={PASSWORD!r}, is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def portal(live_stack: LiveStack) -> LiveStack:
    live_stack.manage("shell", "-c", MAKE_PEOPLE)
    return live_stack


@pytest.fixture
def open_as(portal: LiveStack, chromium: Browser) -> Iterator[Open]:
    """Give ``open_as("olga")``: a page of somebody signed in; no request may leave the host."""
    strangers: list[str] = []
    errors: list[str] = []
    contexts = []

    def watch(url: str) -> None:
        if not url.startswith((portal.url, "data:", "blob:")):
            strangers.append(url)

    def make(name: str, size: dict[str, int] = WIDE, locale: str = "en") -> Page:
        context = chromium.new_context(viewport=size, locale=locale)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("request", lambda request: watch(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{portal.url}/admin/login/")
        page.fill("input[name=username]", name)
        page.fill("input[name=password]", portal.admin_password() if name == "admin" else PASSWORD)
        page.locator("#login-form button[type=submit]").click()
        page.wait_for_url(f"{portal.url}/admin/")
        return page

    yield make
    for context in contexts:
        context.close()
    assert not strangers
    assert not errors


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("shots") / "may.csv"
    generate(1500, seed=5).write_csv(file)
    return file


def import_file(page: Page, file: Path, name: str) -> None:
    page.goto(page.url.partition("/admin/")[0] + "/admin/predictions/dataset/add/")
    page.set_input_files("input[name=file]", file)
    page.fill("input[name=name]", name)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator(".mw-title")).to_have_text(name)


def start_training(page: Page, **params: object) -> None:
    page.get_by_role("link", name="Train", exact=True).first.click()
    page.get_by_text("All parameters").click()
    for name, value in ({"n_bootstraps": 50, "n_folds": 3} | params).items():
        page.fill(f"input[name={name}]", str(value))
    page.get_by_text("Show the other protocols beside").click()
    page.get_by_role("button", name="Start the training").click()
    expect(page.locator("[data-run]")).to_be_visible()


def state(page: Page) -> Locator:
    return page.locator("[data-run] .mw-badge").first


def version_shown(page: Page) -> int:
    found = re.search(r"version (\d+)", page.locator(".mw-title").inner_text())
    assert found is not None
    return int(found[1])


def ask_for_promotion(page: Page, reason: str) -> str:
    page.get_by_role("link", name="Ask for promotion").click()
    page.fill("textarea[name=reason]", reason)
    page.get_by_role("button", name="Ask for promotion").click()
    page.wait_for_url(re.compile("promotionrequest"))
    return page.url


def approve_and_apply(page: Page, address: str) -> None:
    """Decide as a thumb would: the form lies below the evidence and its buttons are tall."""
    page.goto(address)
    button = page.get_by_role("button", name="Approve").bounding_box()
    digest = page.locator("#evidence-digest").bounding_box()
    assert button is not None
    assert digest is not None
    assert button["y"] > digest["y"]
    assert button["height"] >= 44  # CSS pixels, as the guidelines for touch ask
    page.fill("form.mw-form textarea[name=reason]", "Looked at the gate and the findings.")
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("The version is live.")).to_be_visible()


def ask_api(portal: LiveStack, key: str) -> dict[str, Any]:
    """Send the first shot of the imported file to the API and return the answer."""
    columns = generate(1500, seed=5).columns
    answer = httpx.post(
        f"{portal.url}/api/v1/predictions/quality/",
        json={"features": {name: float(columns[name][0]) for name in FEATURE_NAMES}},
        headers={"Authorization": f"Bearer {key}"},
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def make_key(page: Page, name: str) -> str:
    page.goto(page.url.partition("/admin/")[0] + "/admin/core/apikey/add/")
    page.fill("input[name=name]", name)
    page.locator("input[value=predict]").check()
    page.locator("input[value=read]").check()
    page.get_by_role("button", name="Make the key").click()
    return page.locator("#plain-key").inner_text()


def test_from_a_file_to_a_live_model_and_back(
    portal: LiveStack, open_as: Open, shots: Path
) -> None:
    olga, anna = open_as("olga"), open_as("anna", PHONE)

    import_file(olga, shots, "May shots")
    start_training(olga, n_estimators=20, max_depth=1)
    expect(olga.locator("[data-run]")).to_have_attribute("data-source", "stream")
    expect(state(olga)).to_have_text("Succeeded", timeout=120_000)
    expect(olga.locator("[data-run-log] li").nth(3)).to_be_visible()
    expect(olga.locator("[role=progressbar]")).to_have_attribute("aria-valuenow", "100")

    olga.reload()
    olga.get_by_role("link", name="Open the version").click()
    expect(olga.get_by_role("img", name="Calibration:")).to_be_visible()
    expect(olga.get_by_role("img", name="Expected cost by threshold")).to_be_visible()
    first_version = version_shown(olga)
    first = ask_for_promotion(olga, "The first model for this line.")
    expect(olga.get_by_text("You asked for this promotion")).to_be_visible()
    approve_and_apply(anna, first)

    key = make_key(open_as("admin"), "press 4")
    wait_for(lambda: ask_api(portal, key)["model_version"] == first_version, 30)

    olga.goto(f"{portal.url}/admin/predictions/dataset/")
    olga.get_by_role("link", name="May shots").click()
    start_training(olga, n_estimators=120, max_depth=4)
    expect(state(olga)).to_have_text("Succeeded", timeout=120_000)
    olga.reload()
    olga.get_by_role("link", name="Open the version").click()
    second_version = version_shown(olga)
    approve_and_apply(anna, ask_for_promotion(olga, "More and deeper trees."))
    wait_for(lambda: ask_api(portal, key)["model_version"] == second_version, 30)

    anna.goto(f"{portal.url}/admin/registry/registeredmodel/")
    changelist = anna.locator("#changelist")
    changelist.get_by_role("link", name=re.compile("quality", re.IGNORECASE)).first.click()
    anna.get_by_role("link", name="Roll back").click()
    expect(anna.get_by_text("is quarantined")).to_be_visible()
    anna.fill("textarea[name=reason]", "Too many false alarms on line two.")
    anna.get_by_role("button", name="Roll back").click()
    expect(anna.get_by_text("The model is rolled back.")).to_be_visible()
    wait_for(lambda: ask_api(portal, key)["model_version"] == first_version, 30)


def test_a_run_is_cancelled_and_followed_without_a_stream(
    portal: LiveStack, open_as: Open, shots: Path
) -> None:
    page = open_as("olga")
    page.route("**/events/**", lambda route: route.fulfill(status=503))
    page.goto(f"{portal.url}/admin/predictions/dataset/")
    if page.get_by_role("link", name="May shots").count():
        page.get_by_role("link", name="May shots").click()
    else:
        import_file(page, shots, "May shots")
    start_training(page, n_estimators=1000, n_folds=10)
    expect(page.locator("[data-run]")).to_have_attribute("data-source", "poll")
    expect(state(page)).to_have_text("Running", timeout=60_000)
    page.get_by_role("link", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the run").click()
    expect(state(page)).to_have_text("Cancelled", timeout=60_000)
    expect(page.get_by_role("link", name="Retry")).to_be_visible()


LISTS = (
    "runs/run",
    "predictions/dataset",
    "registry/modelversion",
    "registry/registeredmodel",
    "registry/promotionrequest",
    "core/auditentry",
)


def test_no_page_is_wider_than_a_phone(portal: LiveStack, open_as: Open) -> None:
    page = open_as("admin", PHONE, locale="ko")
    addresses = ["/admin/", "/admin/predictions/dataset/add/", "/admin/core/apikey/add/"]
    for name in LISTS:
        page.goto(f"{portal.url}/admin/{name}/")
        link = page.locator(f"#changelist a[href*='/admin/{name}/'][href*='change']").first
        addresses.append(f"/admin/{name}/")
        if link.count():
            addresses.append(str(link.evaluate("a => new URL(a.href).pathname")))
    for address in addresses:
        answer = page.goto(portal.url + address)
        assert answer is not None
        assert answer.status == 200, address
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address


def test_the_pages_follow_the_systems_dark_mode(open_as: Open) -> None:
    page = open_as("olga")
    page.emulate_media(color_scheme="dark")
    page.reload()
    expect(page.locator("html")).to_have_class(re.compile("dark"))
    background = page.locator(".mw-card").first.evaluate("e => getComputedStyle(e).backgroundColor")
    assert background != "rgb(255, 255, 255)"


def test_the_language_is_switched_in_the_header(open_as: Open) -> None:
    page = open_as("olga", locale="ko")
    expect(page.locator(".mw-title")).to_have_text("대시보드")
    page.locator(".mw-language button[value=en]").click()
    expect(page.locator(".mw-title")).to_have_text("Dashboard")

"""First paint and bytes of script of the console's pages, in a browser on this machine.

Every visit is a first one: a new browser context with nothing in its cache, signed in by a cookie,
on the kinds of pages that people open. The paint is the browser's own (Paint Timing, W3C): from the
request to the first content on the screen. Nothing is left out and nothing repeated.

    .venv/bin/python -m benchmarks.console.paint --password-file var/secrets/admin_password
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, StorageState, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
GOAL_MS, GOAL_BYTES = 1000.0, 300 * 1024
SIZE = {"width": 1440, "height": 900}
PAGES = (
    "",
    "quality/?example=1",
    "quality/analysis/",
    "quality/assistant/",
    "quality/history/",
    "value/",
    "reports/",
    "wall/",
    "runs/run/",
    "runs/schedule/calendar/",
    "predictions/dataset/",
    "predictions/prediction/",
    "predictions/outcome/queue/",
    "predictions/routingprediction/ask/",
    "registry/modelversion/",
    "registry/promotionrequest/",
    "search/collection/search/?q=기공",
    "lab/campaign/",
    "tuning/study/",
    "tuning/study/start/",
    "monitoring/driftwindow/",
    "monitoring/objective/",
    "monitoring/qualitywindow/",
    "core/alert/",
    "core/auditentry/",
)
#: Rows whose page is measured as well: the newest of each list.
ROWS = (
    "runs/run",
    "predictions/dataset",
    "predictions/prediction",
    "registry/modelversion",
    "monitoring/driftwindow",
    "search/collection",
)
LOOK = """() => new Promise((done) => {
  const tell = () => {
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    if (!paint) { setTimeout(tell, 20); return; }
    const scripts = performance.getEntriesByType("resource")
      .filter((one) => one.initiatorType === "script");
    const answer = performance.getEntriesByType("navigation")[0];
    done({
      paint_ms: paint.startTime,
      answer_ms: answer.responseStart,
      script_bytes: scripts.reduce((sum, one) => sum + one.encodedBodySize, 0),
    });
  };
  tell();
})"""


def signed_in(browser: Browser, options: argparse.Namespace) -> tuple[StorageState, list[str]]:
    """Sign in once; return the cookies and the pages, those of the newest rows among them."""
    context = browser.new_context(locale="ko")
    page = context.new_page()
    page.goto(f"{options.url}/admin/login/")
    page.fill("input[name=username]", options.user)
    page.fill("input[name=password]", options.password_file.read_text().strip())
    page.locator("#login-form button[type=submit]").click()
    page.wait_for_url(f"{options.url}/admin/")
    found = list(PAGES)
    for path in ROWS:
        page.goto(f"{options.url}/admin/{path}/")
        link = page.locator(f"#changelist a[href*='/admin/{path}/'][href*='/change/']").first
        if link.count():
            address = str(link.evaluate("a => a.href.split('?')[0]"))
            found.append(address.removeprefix(f"{options.url}/admin/"))
    state = context.storage_state()
    context.close()
    return state, found


def visits(
    browser: Browser, url: str, state: StorageState, pages: Sequence[str], rounds: int
) -> Iterator[dict[str, Any]]:
    """Visit every page in turn, so many rounds; each visit with an empty cache."""
    for _round in range(rounds):
        for name in pages:
            context = browser.new_context(storage_state=state, viewport=SIZE, locale="ko")  # type: ignore[arg-type]  # a width and a height
            page = context.new_page()
            answer = page.goto(f"{url}/admin/{name}", wait_until="load")
            if answer is None or answer.status != 200:
                sys.exit(f"{name} answered {answer and answer.status}.")
            yield {"page": name, **page.evaluate(LOOK)}
            context.close()


def share_95(values: Sequence[float]) -> float:
    """Return the 95th percentile, between the two nearest values."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def line(name: str, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the figures of one page."""
    paints = [float(one["paint_ms"]) for one in samples]
    return {
        "page": name,
        "n": len(paints),
        "median_ms": round(statistics.median(paints)),
        "p95_ms": round(share_95(paints)),
        "most_ms": round(max(paints)),
        "answer_median_ms": round(statistics.median(float(one["answer_ms"]) for one in samples)),
        "script_kib": round(max(int(one["script_bytes"]) for one in samples) / 1024, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password-file", type=Path, default=Path("var/secrets/admin_password"))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--output", type=Path, help="every sample as JSON lines")
    options = parser.parse_args()
    load = psutil.getloadavg()[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        state, pages = signed_in(browser, options)
        samples = list(visits(browser, options.url, state, pages, options.rounds))
        version = browser.version
        browser.close()
    if options.output:
        options.output.write_text("".join(json.dumps(one) + "\n" for one in samples))
    lines = [line(name, [one for one in samples if one["page"] == name]) for name in pages]
    slowest = sorted(lines, key=lambda one: -int(one["p95_ms"]))
    for one in slowest:
        sys.stdout.write(json.dumps(one, ensure_ascii=False) + "\n")
    facts = {
        "chromium": version,
        "load_before": round(load, 2),
        "load_after": round(psutil.getloadavg()[0], 2),
        "n_pages": len(lines),
        "all": line("all", samples),
        "pages_over_1_s_at_p95": sum(one["p95_ms"] > GOAL_MS for one in lines),
        "pages_over_300_KiB": sum(one["script_kib"] * 1024 > GOAL_BYTES for one in lines),
    }
    sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

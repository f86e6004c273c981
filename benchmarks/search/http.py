"""Searches over HTTP: the product as script/server starts it, keys checked, queries logged.

Generated Korean passages, hybrid searches of ten hits over keep-alive connections. No query is
asked twice but in the replay, so every answer is made; the cache is on and costs what it costs.
Closed loop, open loop (Poisson, latency from the moment a request was due), a Zipf replay for the
cache, a new index version put live under the open loop, and a batch of 1,000 queries.

    .venv/bin/python -m benchmarks.search.http --passages 100000

With ``--folder`` the product's data stay: what was filled once (``--only-fill``) is measured later.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import psutil

from benchmarks.predictions import load
from benchmarks.predictions.load import Sample
from benchmarks.predictions.targets import NO_LIMIT, ROOT, free_port, wait_for
from benchmarks.search.corpus import Corpus

NAME = "bench"
SEARCH = "/api/v1/search/"
AT_ONCE = 1000
#: How long a build of the largest collection may take on a busy machine.
BUILD_S = 3600.0
#: Changes are searchable in all processes after five seconds.
SETTLED_S = 10.0


class Product:
    """A product of its own in a folder of its own, without its demonstrations."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        port = free_port()
        self.address = ("127.0.0.1", port)
        self.base = f"http://127.0.0.1:{port}"
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        self.env = {name: os.environ[name] for name in kept if name in os.environ} | {
            "MILLWRIGHT_HOME": os.fspath(folder / "home"),
            "MILLWRIGHT_POSTGRES_DATA": os.fspath(folder / "pg"),
            "MILLWRIGHT_BIND": f"127.0.0.1:{port}",
            "MILLWRIGHT_REQUESTS_PER_MINUTE": NO_LIMIT,
            "MILLWRIGHT_QUERIES_PER_MINUTE": NO_LIMIT,
        }
        log = stack.enter_context((folder / "product.log").open("ab"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "portal.stack", "serve", "--no-demo"],
            cwd=ROOT,
            env=self.env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        stack.callback(_end, self.process)
        wait_for(f"{self.base}/livez", 180)
        self.key = self._manage(
            "create_key", f"bench-{port}", "--user", "admin", "--scopes", "read,search"
        )

    def _manage(self, *words: str) -> str:
        done = subprocess.run(  # noqa: S603 - the words are ours
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.env,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip().splitlines()[-1]

    def call(self, path: str, body: Any = None) -> Any:
        """Return what the API answers, GET without a body and POST with one."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        address = f"{self.base}{path}"
        request = Request(address, data=data, headers=headers)  # noqa: S310 - as below
        with urlopen(request, timeout=120) as answer:  # noqa: S310 - our own loopback
            return json.loads(answer.read())

    def wait(self, run_id: str) -> None:
        """Return when a run has succeeded."""
        deadline = time.monotonic() + BUILD_S
        while time.monotonic() < deadline:
            state = self.call(f"/api/v1/runs/{run_id}/")["state"]
            if state == "succeeded":
                return
            if state in {"failed", "errored", "cancelled"}:
                raise RuntimeError(f"the run {run_id} is {state}")
            time.sleep(0.5)
        raise TimeoutError(f"the run {run_id} is not over")

    def requests(self, queries: Sequence[str]) -> list[bytes]:
        """Return the bytes of searches."""
        headers = {"Authorization": f"Bearer {self.key}"}
        bodies = (json.dumps({"query": one, "collection": NAME}).encode() for one in queries)
        return [load.http_request("POST", SEARCH, body, headers) for body in bodies]

    def version(self) -> int:
        """Return the version that a search is answered from."""
        body = {"query": str(time.time_ns()), "collection": NAME}
        return int(self.call(SEARCH, body)["version"])


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)
    process.wait(120)


def is_filled(product: Product) -> bool:
    """Whether the collection is there, from an earlier run on the same folder."""
    rows = product.call("/api/v1/collections/")
    return NAME in {one["name"] for one in rows.get("results", rows)}


def fill(product: Product, corpus: Corpus, n_passages: int) -> dict[str, Any]:
    """Send the passages as documents and wait for their index; return what it took.

    What the web workers hold is read when all is sent and a part of it is in no index yet.
    """
    product.call("/api/v1/collections/", {"name": NAME})
    began = time.perf_counter()
    build = None
    rows: list[dict[str, Any]] = []
    for number, passage in enumerate(corpus.passages(n_passages), start=1):
        rows.append({"external_id": passage.id, "title": passage.title, "text": passage.text})
        if len(rows) == AT_ONCE or number == n_passages:
            answer = product.call("/api/v1/documents/", {"collection": NAME, "documents": rows})
            build = build or answer["build"]
            rows = []
    sent_s = time.perf_counter() - began
    sys.stderr.write(f"{n_passages} documents are sent after {sent_s:.0f} s\n")
    waiting = unbuilt(product)
    if build:
        product.wait(build)
    product.wait(product.call(f"/api/v1/collections/{NAME}/rebuild/", {})["id"])
    return {"sent_s": sent_s, "searchable_s": time.perf_counter() - began, "unbuilt": waiting}


def unbuilt(product: Product) -> dict[str, Any]:
    """Return what the web workers hold once they know all that was sent, and how much waits."""
    time.sleep(SETTLED_S)
    about = product.call(f"/api/v1/collections/{NAME}/")
    versions = product.call(f"/api/v1/collections/{NAME}/versions/")["results"]
    built = [
        one["settings"]["through"] for one in versions if one["number"] == about["live_version"]
    ]
    found = memory(product) | {"n_changed": about["sequence"] - max(built, default=0)}
    sys.stderr.write(f"unbuilt: {json.dumps(found)}\n")
    return found


def unseen(corpus: Corpus, count: int) -> Iterator[str]:
    """Yield queries of which no two are equal."""
    for number, question in enumerate(corpus.questions(count)):
        yield f"{question} {number}"


def figures(sample: Sample) -> dict[str, float]:
    """Return what a sample comes to."""
    return {
        "n": sample.n,
        "errors": sample.n_bad,
        "per_second": round(sample.per_second, 1),
        **{f"p{share}_ms": round(sample.percentile_ms(share), 2) for share in (50, 95, 99)},
    }


def replay(product: Product, corpus: Corpus, count: int, seed: int) -> dict[str, Any]:
    """Ask queries drawn by a Zipf law (exponent 1 of 2,000 queries), one after another."""
    questions = [f"replay {one}" for one in dict.fromkeys(corpus.questions(6_000))][:2_000]
    ranks = np.arange(1, len(questions) + 1)
    drawn = np.random.default_rng(seed).choice(
        len(questions), size=count, p=(1 / ranks) / (1 / ranks).sum()
    )
    hits, hit_ms = 0, []
    for number in drawn:
        began = time.perf_counter()
        answer = product.call(SEARCH, {"query": questions[number], "collection": NAME})
        if answer["cache"] == "hit":
            hits += 1
            hit_ms.append((time.perf_counter() - began) * 1000)
    return {
        "n": count,
        "hit_share": round(hits / count, 3),
        "hit_p95_ms": round(float(np.percentile(hit_ms, 95)), 2) if hit_ms else None,
    }


def swap(
    product: Product, requests: Sequence[bytes], rate: float, duration_s: float, seed: int
) -> dict[str, Any]:
    """Keep the open loop going while a new version is built and goes live."""
    before = product.version()

    def rebuild() -> None:
        product.wait(product.call(f"/api/v1/collections/{NAME}/rebuild/", {})["id"])

    builder = threading.Thread(target=rebuild)
    builder.start()
    rounds = []
    number = 0
    while builder.is_alive() or number == 0:
        arrivals = load.poisson(rate, duration_s, seed + number)
        start = number * len(arrivals) % len(requests)
        own = [*requests[start:], *requests[:start]]
        rounds.append(load.open_loop(product.address, own, arrivals, 64))
        number += 1
    builder.join()
    deadline = time.monotonic() + 30
    while (after := product.version()) == before and time.monotonic() < deadline:
        time.sleep(0.2)
    return {
        "versions": [before, after],
        "n": sum(one.n for one in rounds),
        "errors": sum(one.n_bad for one in rounds),
        "p95_ms_of_rounds": [round(one.percentile_ms(95), 2) for one in rounds],
    }


def batch(product: Product, queries: Sequence[str]) -> dict[str, float]:
    """Hand in a batch and wait for all of its results."""
    began = time.perf_counter()
    body = {"collection": NAME, "queries": list(queries), "priority": "high"}
    job = product.call("/api/v1/batch/search", body)["job_id"]
    status = product.call(f"/api/v1/batch/status/{job}")
    while status["n_done"] < len(queries) and status["status"] in {"queued", "running"}:
        time.sleep(0.05)
        status = product.call(f"/api/v1/batch/status/{job}")
    spent = time.perf_counter() - began
    return {"n": status["n_done"], "failed": status["n_failed"], "seconds": round(spent, 2)}


def measured(product: Product, corpus: Corpus, given: argparse.Namespace) -> dict[str, Any]:
    """Return all figures of one run."""
    queries = unseen(corpus, given.queries)

    def some(count: int) -> list[bytes]:
        return product.requests([next(queries) for _number in range(count)])

    load.closed_loop(product.address, some(given.queries // 10), 16, 2.0)
    share = given.queries // 5
    before = web_cpu_s(product)
    closed = load.closed_loop(product.address, some(share), 16, given.seconds)
    closed_cpu_ms = 1000 * (web_cpu_s(product) - before) / max(closed.n, 1)
    arrivals = load.poisson(given.rate, given.seconds, given.seed)
    before = web_cpu_s(product)
    opened = load.open_loop(product.address, some(len(arrivals)), arrivals, 64)
    opened_cpu_ms = 1000 * (web_cpu_s(product) - before) / max(opened.n, 1)
    product.call("/api/v1/batch/search", {"collection": NAME, "queries": ["warm"]})
    found: dict[str, Any] = {}

    def tell(name: str, figure: Mapping[str, Any]) -> None:
        found[name] = {**figure, "load": round(psutil.getloadavg()[0], 1)}
        sys.stderr.write(f"{name}: {json.dumps(found[name])}\n")

    tell("closed_loop_16", figures(closed) | {"web_cpu_ms": round(closed_cpu_ms, 2)})
    tell(f"open_loop_{given.rate:g}", figures(opened) | {"web_cpu_ms": round(opened_cpu_ms, 2)})
    tell("batch_1000", batch(product, [f"{one} batch" for one in corpus.questions(1_000)]))
    tell("zipf_replay", replay(product, corpus, given.replayed, given.seed))
    tell("memory", memory(product))
    tell("swap", swap(product, some(share), given.rate / 2, given.seconds, given.seed))
    return found


def memory(product: Product) -> dict[str, Any]:
    """Return what each web worker holds by itself, and what of the index it shares."""
    held = [one.memory_full_info() for one in web_workers(product)]
    return {
        "private_mb": [round(one.uss / 1e6, 1) for one in held],
        "proportional_mb": [round(one.pss / 1e6, 1) for one in held],
    }


def web_workers(product: Product) -> list[psutil.Process]:
    """Return the processes that answer requests."""
    tree = psutil.Process(product.process.pid).children(recursive=True)
    return [one for one in tree if "portal.web" in one.cmdline() and not one.children()]


def web_cpu_s(product: Product) -> float:
    """Return the CPU seconds of the processes that answer requests."""
    times = [one.cpu_times() for one in web_workers(product)]
    return sum(one.user + one.system for one in times)


def main() -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=60_000, help="Drawn before measuring.")
    parser.add_argument("--seconds", type=float, default=10.0, help="Of each loop.")
    parser.add_argument("--rate", type=float, default=200.0, help="Of the open loop.")
    parser.add_argument("--replayed", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="Kept and used again; else a temporary one.")
    parser.add_argument("--only-fill", action="store_true")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # the product ends with this
    corpus = Corpus.make(given.seed)
    facts: dict[str, Any] = {
        "passages": given.passages,
        "cores": psutil.cpu_count(),
        "python": platform.python_version(),
        "load_before": round(psutil.getloadavg()[0], 1),
    }
    with ExitStack() as stack:
        folder = given.folder
        if folder is None:
            temporary = tempfile.TemporaryDirectory(prefix="millwright-search-")
            folder = Path(stack.enter_context(temporary))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        product = Product(folder.resolve(), stack)
        if not is_filled(product):
            facts["filled"] = fill(product, corpus, given.passages)
        if not given.only_fill:
            facts |= measured(product, corpus, given)
        facts["load_after"] = round(psutil.getloadavg()[0], 1)
    sys.stdout.write(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""What is measured: the portal as script/server starts it, and the bare endpoint beside it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psutil

ROOT = Path(__file__).resolve().parents[2]
MODEL = "diecasting-quality"
#: The portal's limit a minute would end a measurement; one this high costs as much as any.
NO_LIMIT = "1000000000"


@dataclass(frozen=True)
class Target:
    """One server under load.

    Attributes
    ----------
    name
        As the tables name it.
    address
        Host and port.
    path
        What the prediction is posted to.
    headers
        Sent with each request.
    processes
        Names and root process ids whose CPU time counts.
    """

    name: str
    address: tuple[str, int]
    path: str
    headers: Mapping[str, str]
    processes: Mapping[str, int]

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds of each part, children included."""
        return {name: _tree_cpu_s(pid) for name, pid in self.processes.items()}


def _tree_cpu_s(pid: int) -> float:
    root = psutil.Process(pid)
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def free_port() -> int:
    """Return a loopback port nobody listens on, below those the kernel hands out by itself."""
    for port in range(21_000, 30_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("There is no free port between 21000 and 30000.")


def wait_for(url: str, timeout_s: float) -> None:
    """Return when a URL answers."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            urlopen(url, timeout=2).close()  # noqa: S310 - our own loopback
        except HTTPError as exc:
            if exc.code < 500:
                return
        except (URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


class Portal:
    """A portal of its own in a folder of its own, with its demonstration model live."""

    def __init__(self, folder: Path, stack: ExitStack, *, workers: int = 2) -> None:
        self.port = free_port()
        self.home = folder / "home"
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        self.env = {name: os.environ[name] for name in kept if name in os.environ} | {
            "MILLWRIGHT_HOME": os.fspath(self.home),
            "MILLWRIGHT_POSTGRES_DATA": os.fspath(folder / "pg"),
            "MILLWRIGHT_BIND": f"127.0.0.1:{self.port}",
            "MILLWRIGHT_REQUESTS_PER_MINUTE": NO_LIMIT,
            "MILLWRIGHT_WEB_WORKERS": str(workers),
        }
        with (folder / "portal.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "portal.stack", "serve"],
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        stack.callback(_end, process, signal.SIGINT)
        wait_for(f"http://127.0.0.1:{self.port}/livez", 300)
        self.key = self.manage(
            "create_key", "benchmark", "--user", "admin", "--scopes", "read,predict"
        )

    def manage(self, *words: str) -> str:
        """Run a management command and return the last line it printed."""
        done = subprocess.run(  # noqa: S603 - the words are ours
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.env,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip().splitlines()[-1]

    def get(self, path: str) -> bytes:
        """Return what the API answers to a GET."""
        headers = {"Authorization": f"Bearer {self.key}"}
        request = Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            content: bytes = answer.read()
        return content

    def wait_for_champion(self, timeout_s: float = 300) -> int:
        """Return the number of the champion once the demonstration has made one."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                model = json.loads(self.get(f"/api/v1/models/{MODEL}/"))
            except URLError:
                model = {"aliases": ()}
            for alias in model["aliases"]:
                if alias["alias"] == "champion":
                    return int(alias["version"])
            if time.monotonic() > deadline:
                raise RuntimeError("The demonstration made no champion in time.")
            time.sleep(1)

    def serving_form(self, number: int) -> bytes:
        """Return the ONNX file of a version."""
        version = json.loads(self.get(f"/api/v1/models/{MODEL}/versions/{number}/"))
        found = (one["url"] for one in version["artifacts"] if one["name"] == "serving.onnx")
        return self.get(next(found))

    def members(self) -> dict[str, int]:
        """Return the process ids of the portal's parts."""
        state = json.loads((self.home / "run" / "stack.json").read_text())
        return dict(state["members"])

    def target(self) -> Target:
        """Return the portal as a target."""
        parts = self.members()
        wanted = ("web", "redis", "recorder", "postgres")
        return Target(
            "portal",
            ("127.0.0.1", self.port),
            "/api/v1/predictions/quality/",
            {"Authorization": f"Bearer {self.key}"},
            {name: parts[name] for name in wanted},
        )


def bare(python: Path, model: Path, folder: Path, stack: ExitStack, *, workers: int) -> Target:
    """Start the bare endpoint and return it as a target."""
    app = "benchmarks.predictions.bare:app"
    words = ["-m", "uvicorn", app, "--host", "127.0.0.1", "--workers", str(workers)]
    words += ["--no-access-log", "--log-level", "warning", "--port"]
    name = f"FastAPI, {workers} worker{'s' if workers > 1 else ''}"
    return _started(name, python, words, "/livez", "/predict", model, folder, stack)


def bento(python: Path, model: Path, folder: Path, stack: ExitStack) -> Target:
    """Start the endpoint under BentoML, one worker."""
    words = ["-m", "bentoml", "serve", "benchmarks.predictions.bento:Quality"]
    words += ["--host", "127.0.0.1", "--port"]
    return _started("BentoML", python, words, "/livez", "/predict", model, folder, stack)


def mlflow(python: Path, model: Path, folder: Path, stack: ExitStack) -> list[Target]:
    """Start `mlflow models serve`, one worker each, for named columns and for one array."""
    saved = folder / "mlflow"
    words = [python, "-m", "benchmarks.predictions.mlflow_model", model, saved]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - ours
    started = []
    for name, form in (("mlflow", "named"), ("mlflow, array", "tensor")):
        words = ["-m", "mlflow", "models", "serve", "-m", os.fspath(saved / form)]
        words += ["--env-manager", "local", "--workers", "1", "--host", "127.0.0.1", "--port"]
        started.append(_started(name, python, words, "/ping", "/invocations", model, folder, stack))
    return started


def _started(
    name: str,
    python: Path,
    words: Sequence[str],
    alive: str,
    path: str,
    model: Path,
    folder: Path,
    stack: ExitStack,
) -> Target:
    port = free_port()
    own = {
        "BENCHMARK_MODEL": os.fspath(model),
        "BENTOML_DO_NOT_TRACK": "True",
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - the words are ours
            [python, *words, str(port)],
            cwd=ROOT,
            env=os.environ | own,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    stack.callback(_end, process, signal.SIGTERM)
    wait_for(f"http://127.0.0.1:{port}{alive}", 60)
    return Target(name, ("127.0.0.1", port), path, {}, {"web": process.pid})


def _end(process: "subprocess.Popen[bytes]", how: signal.Signals) -> None:
    process.send_signal(how)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

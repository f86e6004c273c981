"""A real Celery worker over the test database."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent


class Worker:
    """One worker process with its pool; its output is kept for messages."""

    def __init__(
        self, queues: str, env: Mapping[str, str], log: Path, options: tuple[str, ...]
    ) -> None:
        self.log = log
        words = ["-m", "celery", "-A", "portal.celery", "worker", "--queues", queues]
        words += ["--concurrency", "1", "--without-gossip", "--without-mingle", *options]
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - the words are ours
                [sys.executable, *words],
                cwd=ROOT,
                env=dict(env),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        return self.log.read_text()

    def wait_ready(self, timeout: float = 30) -> None:
        wait_for(lambda: "ready." in self.output() or self.process.poll() is not None, timeout)
        assert self.process.poll() is None, self.output()

    def kill(self) -> None:
        """End the worker and its pool at once, as a power cut would."""
        os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End the worker; a task in progress is not waited for."""
        if self.process.poll() is None:
            self.kill()

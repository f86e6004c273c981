"""The portal's side of the courier: a process that carries messages out and may be killed."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO

import structlog
from django.conf import settings

from monitoring.courier.orders import Order, Report

log = structlog.get_logger(__name__)

#: What of the environment the courier is given: none of the portal's secrets.
PASSED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
ENDS_WITHIN_S = 2.0


class Courier:
    """One courier process; started when there is something to carry, ended when asked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._reports: queue.Queue[Report | None] = queue.Queue()

    def carry(self, orders: Sequence[Order], patience_s: float) -> Iterator[Report]:
        """Carry messages out at once; give each report as it comes.

        What is not reported within the patience, or when the process dies, is missing: it may have
        been delivered. The process is killed then.
        """
        if not orders:
            return
        process = self._alive()
        missing = {order.id for order in orders}
        until = time.monotonic() + patience_s
        try:
            self._write(process, orders)
            while missing:
                report = self._reports.get(timeout=max(0.0, until - time.monotonic()))
                if report is None:
                    break
                missing.discard(report.id)
                yield report
        except (queue.Empty, OSError):
            log.warning("courier_too_slow", n_missing=len(missing))
        finally:
            if missing:
                self.kill()

    def kill(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(ENDS_WITHIN_S)
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]  # both are pipes

    def _write(self, process: subprocess.Popen[str], orders: Sequence[Order]) -> None:
        stdin: IO[str] = process.stdin  # type: ignore[assignment]  # a pipe
        for order in orders:
            stdin.write(json.dumps(order.to_dict()) + "\n")
        stdin.flush()

    def _alive(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.kill()
        allowed = list(settings.ALERT_ALLOW_HOSTS)
        process = subprocess.Popen(  # noqa: S603 - our own module, in our own interpreter
            [sys.executable, "-m", "monitoring.courier", *allowed],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=settings.BASE_DIR,
            env={name: os.environ[name] for name in PASSED if name in os.environ},
            text=True,
            encoding="utf-8",
        )
        self._process, self._reports = process, queue.Queue()
        reader = threading.Thread(
            target=_read, args=(process.stdout, self._reports), name="courier", daemon=True
        )
        reader.start()
        return process


def _read(output: IO[str], reports: "queue.Queue[Report | None]") -> None:
    """Pass reports on until the process ends, then None."""
    with contextlib.suppress(ValueError, OSError):  # the pipe was closed, or a line torn
        for line in output:
            reports.put(Report(**json.loads(line)))
    reports.put(None)

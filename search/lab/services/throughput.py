"""Throughput: what clients in a closed loop finish, each a process of its own.

The first client is the measuring process itself. The others are forked from it before it has opened
anything, so that they need not load every library again, and sleep until they are wanted. All
clients are at work before the window opens: what ends within it is counted, also where it began
before, so that a window counts neither more nor less than a longer one would.
"""

import errno
import pickle
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from search.lab.engine import usage
from search.lab.engine.measuring import Searcher

#: A window lasts as long as this number of answers of one client, within bounds; ours.
N_ANSWERS = 20
SHORTEST_S, LONGEST_S = 1.0, 3.0
#: Parts of a window that are counted apart: the spread within one pass.
N_PARTS = 10
_LEAD_S = 0.1
_N_WARM_UP = 10
_N_TRIES = 2
_START_TIMEOUT_S = 300.0
_ANSWER_TIMEOUT_S = 60.0
_NO_MEMORY = errno.ENOMEM


@dataclass(frozen=True)
class Window:
    """When answers are counted.

    Attributes
    ----------
    begins_s : float
        Of `time.monotonic`, which is one clock for all processes of a machine.
    """

    begins_s: float
    seconds: float

    @classmethod
    def of(cls, p50_ms: float) -> Self:
        """Return a window that begins in a moment, for answers of this median latency."""
        seconds = min(LONGEST_S, max(SHORTEST_S, N_ANSWERS * p50_ms / 1_000))
        return cls(time.monotonic() + _LEAD_S, seconds)


@dataclass(frozen=True)
class Counted:
    """What was counted in a window.

    Attributes
    ----------
    per_second : list of float
        Answers a second in each part of the window.
    foreign_cores : float
        Processor cores that other work kept busy meanwhile, on average.
    seconds : float
        Length of the window, with one before it that was disturbed.
    """

    per_second: list[float]
    foreign_cores: float
    seconds: float


class Client:
    """One who asks the next question as soon as the one before is answered.

    Parameters
    ----------
    places : sequence of int
        Questions in the order of this client.
    """

    def __init__(self, searcher: Searcher, places: Sequence[int]) -> None:
        self._searcher = searcher
        self._places = places
        self._at = 0
        for _ in range(_N_WARM_UP):
            self._ask()

    def count(self, window: Window) -> list[int]:
        """Ask until the window is over; returns the answers that ended in each part of it."""
        counts = [0] * N_PARTS
        while True:
            self._ask()
            elapsed = time.monotonic() - window.begins_s
            if elapsed >= window.seconds:
                return counts
            if elapsed >= 0:
                counts[min(N_PARTS - 1, int(N_PARTS * elapsed / window.seconds))] += 1

    def served_s(self) -> float:
        """Return the CPU seconds that the servers of this client have used."""
        return usage.cpu_s(self._searcher.index.servers)

    def close(self) -> None:
        """Let go of the index."""
        self._searcher.close()

    def _ask(self) -> None:
        self._searcher.search(self._places[self._at % len(self._places)])
        self._at += 1


class Failed:
    """What ended a client, on its way to the process that waits for it."""

    def __init__(self, error: Exception) -> None:
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
            self.error: Exception = error
        except (pickle.PickleError, TypeError, AttributeError, ValueError, EOFError):
            self.error = RuntimeError(f"{type(error).__name__}: {error}")


def serve(pipe: Connection, opened: Callable[[], Client]) -> None:
    """Be a client that another process tells what to do, until it says None."""
    if pipe.recv() is None:
        return
    try:
        client = opened()
        pipe.send("open")
        while (window := pipe.recv()) is not None:
            before = time.process_time() + client.served_s()
            counts = client.count(window)
            pipe.send((counts, time.process_time() + client.served_s() - before))
        client.close()
    except MemoryError:
        sys.exit(_NO_MEMORY)
    except Exception as exc:
        pipe.send(Failed(exc))
        raise


class Clients:
    """Processes of the clients beside the first; a context manager.

    Parameters
    ----------
    count : int
        Clients, the first among them.
    target : callable
        Given the number of a client and its end of a pipe, calls `serve` in the new process.
    """

    def __init__(self, count: int, target: Callable[[int, Connection], None]) -> None:
        # Elsewhere than on Linux libraries do not survive a fork.
        context: Any = get_context("fork" if sys.platform == "linux" else "spawn")
        self._others: list[tuple[Any, Connection]] = []
        for number in range(1, count):
            ours, theirs = context.Pipe()
            # A daemon: should one not start, those before it do not outlive this process.
            process = context.Process(target=target, args=(number, theirs), daemon=True)
            process.start()
            theirs.close()
            self._others.append((process, ours))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for process, _pipe in self._others:
            process.kill()
            process.join()

    def open(self, opened: Callable[[], Client]) -> Client:
        """Let all open their index, and this process with them; returns the first client."""
        for number in range(len(self._others)):
            self._tell(number, "open")
        first = opened()
        for number in range(len(self._others)):
            self._answer(number, _START_TIMEOUT_S)
        return first

    def counted(self, first: Client, n_clients: int, p50_ms: float) -> Counted:
        """Count what the first and as many others as are missing finish in a window.

        A window that other work disturbed is measured once more.

        Raises
        ------
        MemoryError
            If a client found no memory.
        RuntimeError
            If one ended otherwise, or gave no answer.
        """
        seconds = 0.0
        for _ in range(_N_TRIES):
            found = self._counted(first, n_clients, p50_ms)
            seconds += found.seconds
            if found.foreign_cores <= usage.MOST_FOREIGN_CORES:
                break
        return replace(found, seconds=seconds)

    def _counted(self, first: Client, n_clients: int, p50_ms: float) -> Counted:
        busy, served_s = usage.Busy(), first.served_s()
        window, others = Window.of(p50_ms), range(n_clients - 1)
        for number in others:
            self._tell(number, window)
        counts = first.count(window)
        helpers_s = first.served_s() - served_s
        for number in others:
            own, cpu_s = self._answer(number, _ANSWER_TIMEOUT_S)
            counts = [one + more for one, more in zip(counts, own, strict=True)]
            helpers_s += cpu_s
        part_s = window.seconds / N_PARTS
        rates = [one / part_s for one in counts]
        return Counted(rates, busy.foreign_cores(helpers_s), window.seconds)

    def _tell(self, number: int, order: object) -> None:
        process, pipe = self._others[number]
        try:
            pipe.send(order)
        except OSError as exc:
            raise _ended(number, process) from exc

    def _answer(self, number: int, timeout_s: float) -> Any:
        process, pipe = self._others[number]
        if not wait([pipe, process.sentinel], timeout_s):
            raise RuntimeError(f"client {number + 2} gave no answer within {timeout_s:.0f} s")
        try:
            answer = pipe.recv() if pipe.poll() else None
        except EOFError:
            answer = None
        if isinstance(answer, Failed):
            raise answer.error
        if answer is None:
            raise _ended(number, process)
        return answer


def _ended(number: int, process: Any) -> Exception:
    process.join(_ANSWER_TIMEOUT_S)
    if process.exitcode in {_NO_MEMORY, -signal.SIGKILL}:
        return MemoryError()
    return RuntimeError(f"client {number + 2} ended with exit status {process.exitcode}")

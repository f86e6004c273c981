"""Keeps a table of processes running: starts, restarts what dies, stops in reverse order."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.lib import lifesign
from portal.stack import guardian, processes
from portal.stack.console import Console
from portal.stack.errors import NotReadyError
from portal.stack.hangs import Hangs
from portal.stack.lifeline import Lifeline
from portal.stack.logs import Logs
from portal.stack.members import ROOT, Member, Restart

STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
TICK_S = 0.25
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
#: Ours: longer than a start that fails takes on a busy machine, short enough that a member killed
#: now and then is started again at once.
SETTLED_S = 10.0
HANG_S = 30.0
HURRY_S = 3.0


class StopRequested(Exception):
    """Somebody asked the stack to end."""


@dataclass
class Running:
    """One member and its process.

    Attributes
    ----------
    member
        What it is.
    process
        Its process, or None while it waits for a restart or is held.
    started_at, due_at
        Monotonic times of the last start and of the next one.
    n_quick_ends
        How many times in a row it ended soon after its start.
    """

    member: Member
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    n_quick_ends: int = 0

    def ended(self, now: float) -> float:
        """Note that the process ended and return the pause before the next start, in seconds."""
        self.process = None
        settled = now - self.started_at > SETTLED_S
        self.n_quick_ends = 0 if settled else self.n_quick_ends + 1
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** max(0, self.n_quick_ends - 1))
        self.due_at = now + pause_s
        return pause_s


class Supervisor:
    """Owns the children of one stack; all happens in the main thread, at a tick or a signal."""

    def __init__(
        self,
        *,
        run: Path,
        env: Mapping[str, str],
        logs: Logs,
        console: Console,
        lifeline: Lifeline,
        hang_s: float = HANG_S,
    ) -> None:
        self.run = run
        self.env = dict(env) | lifeline.environment()
        self.logs = logs
        self.console = console
        self.lifeline = lifeline
        self.table: dict[str, Running] = {}
        self.facts: dict[str, Any] = {}
        self.on_end: dict[str, Callable[[int], None]] = {}
        self.hangs = Hangs(run / "alive", hang_s)
        self.hangs.open()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS | {signal.SIGCHLD})

    # --- Starting -------------------------------------------------------------------------------

    def start(self, member: Member) -> Running:
        """Start a member and keep it running from now on."""
        running = self.table[member.name] = Running(member)
        self._spawn(running)
        return running

    def _spawn(self, running: Running) -> None:
        member = running.member
        first_signal = member.stops[0][0]
        with self.logs.open(member.name) as output:
            running.process = processes.spawn(
                member.words,
                env=self.env | {lifesign.PREFIX: self.hangs.prefix(member.name)},
                output=output.fileno(),
                cwd=ROOT if not member.account.switches else "/",
                account=member.account,
                death_signal=first_signal,
            )
        running.started_at = time.monotonic()
        self.lifeline.watch(running.process.pid, first_signal)
        self.publish()

    def wait_ready(self, name: str, timeout_s: float) -> None:
        """Return when a member does its work.

        Raises
        ------
        NotReadyError
            When it keeps ending, or takes longer than `timeout_s`.
        StopRequested
            When somebody ended the wait.
        """
        running = self.table[name]
        deadline = time.monotonic() + timeout_s
        while not running.member.ready():
            self.pause(0.05)
            self.heal()
            if running.n_quick_ends > 2 or time.monotonic() > deadline:
                raise NotReadyError(f"{name} did not become ready. {self.logs.tail(name)}")

    def run_once(self, member: Member, timeout_s: float) -> None:
        """Run a member to its good end.

        Raises
        ------
        NotReadyError
            When it fails or takes longer than `timeout_s`.
        """
        running = self.start(member)
        process = running.process
        deadline = time.monotonic() + timeout_s
        while process is not None and process.poll() is None:
            self.pause(0.05)
            self.heal(besides=member.name)
            if time.monotonic() > deadline:
                raise NotReadyError(f"{member.name} takes too long. {self.logs.tail(member.name)}")
        del self.table[member.name]
        if process is not None:
            self.lifeline.forget(process.pid)
            if process.returncode != 0:
                raise NotReadyError(f"{member.name} failed. {self.logs.tail(member.name)}")

    # --- Keeping --------------------------------------------------------------------------------

    def pause(self, seconds: float) -> None:
        """Sleep until something happens.

        Raises
        ------
        StopRequested
            When that something is a request to end.
        """
        seen = signal.sigtimedwait(STOP_SIGNALS | {signal.SIGCHLD}, seconds)
        if seen is not None and seen.si_signo in STOP_SIGNALS:
            raise StopRequested

    def keep(self) -> None:
        """Keep the table running until somebody asks for the end."""
        while True:
            self.pause(TICK_S)
            self.heal()
            self.end_hangs()
            self.lifeline.tend()
            self.logs.trim()

    def heal(self, besides: str = "") -> None:
        """Take note of what ended, start what is due, stop what is held."""
        now = time.monotonic()
        held = self._held()
        for name, running in list(self.table.items()):
            if name == besides:
                continue
            if running.process is not None and running.process.poll() is not None:
                self._note_end(running, running.process, now)
            elif running.process is not None and name in held:
                self._end([running])
                self.publish()
            elif running.process is None and now >= running.due_at and name not in held:
                self._spawn_again(running)
        self._reap_strangers()

    def end_hangs(self) -> None:
        """Kill what hangs without dying, so that whoever started it starts it again."""
        sessions = {row.process.pid for row in self.table.values() if row.process is not None}
        for name, pid in self.hangs.silent(sessions, time.monotonic()):
            self.console.say(
                f"{name} (process {pid}) gave no sign of life for {self.hangs.patience_s:.0f} s: "
                "killed."
            )
            guardian.send(pid, signal.SIGKILL)

    def _spawn_again(self, running: Running) -> None:
        """Restart a member; when the machine has no room for a process, try again later."""
        try:
            self._spawn(running)
        except OSError as exc:
            running.started_at = time.monotonic()
            pause_s = running.ended(running.started_at)
            self.console.say(
                f"{running.member.name} cannot start ({exc.strerror}), again in {pause_s:.1f} s."
            )

    def _held(self) -> set[str]:
        folder = self.run / "held"
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

    def _note_end(self, running: Running, process: subprocess.Popen[bytes], now: float) -> None:
        member = running.member
        processes.kill_group(process.pid)
        self.lifeline.forget(process.pid)
        pause_s = running.ended(now)
        if member.restart is Restart.NEVER:
            del self.table[member.name]
            if note := self.on_end.get(member.name):
                note(process.returncode)
        else:
            self.console.say(
                f"{member.name} ended ({_reason(process.returncode)}), starts in {pause_s:.1f} s."
            )
        self.publish()

    def _reap_strangers(self) -> None:
        """Bury processes that were handed to us, as happens to the first process of a container."""
        while os.getpid() == 1:
            try:
                seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            own = {running.process.pid for running in self.table.values() if running.process}
            if seen is None or seen.si_pid in own | {self.lifeline.process.pid}:
                return
            os.waitpid(seen.si_pid, os.WNOHANG)

    def publish(self) -> None:
        """Write down where the members answer and which processes they are.

        A full disk does not end what runs: the old file stays until there is room again.
        """
        pids = {
            name: running.process.pid if running.process else None
            for name, running in self.table.items()
        }
        fresh = self.run / "stack.json.new"
        text = json.dumps(self.facts | {"pid": os.getpid(), "members": pids}, indent=1)
        try:
            fresh.touch(mode=0o600)
            fresh.write_text(text)
            fresh.replace(self.run / "stack.json")
        except OSError as exc:
            self.console.say(f"The state file cannot be written ({exc.strerror}).")

    # --- Stopping -------------------------------------------------------------------------------

    def stop(self, groups: Iterable[Iterable[str]]) -> None:
        """Stop the members group by group, those of one group at the same time."""
        for group in groups:
            self._end([self.table[name] for name in group if name in self.table])
        (self.run / "stack.json").unlink(missing_ok=True)

    def _end(self, ending: list[Running]) -> None:
        """Signal the processes one after another's patience, then kill."""
        begun = time.monotonic()
        sent: dict[str, int] = {}
        hurried = False
        while alive := [running for running in ending if _is_alive(running)]:
            elapsed_s = time.monotonic() - begun
            for running in alive:
                self._press(running, elapsed_s, sent, hurried=hurried)
            seen = signal.sigtimedwait(STOP_SIGNALS | {signal.SIGCHLD}, 0.1)
            if (
                seen is not None
                and seen.si_signo in STOP_SIGNALS
                and elapsed_s > 0.5
                and not hurried
            ):
                self.console.say("Asked again: killing what does not end at once.")
                hurried = True
        for running in ending:
            if running.process is not None:
                processes.kill_group(running.process.pid)
                self.lifeline.forget(running.process.pid)
                running.process = None

    def _press(
        self, running: Running, elapsed_s: float, sent: dict[str, int], *, hurried: bool
    ) -> None:
        """Send the signal that is due after `elapsed_s` seconds, once."""
        process, stops = running.process, running.member.stops
        if process is None:
            return
        limit_s = 0.0
        step = 0
        for _how, seconds in stops:
            limit_s += seconds
            step += elapsed_s > limit_s
        if hurried and elapsed_s > HURRY_S:
            step = len(stops)
        if sent.get(running.member.name) == step:
            return
        sent[running.member.name] = step
        if step == len(stops):
            self.console.say(f"{running.member.name} does not end: killed.")
            processes.kill_group(process.pid)
            process.kill()
        else:
            process.send_signal(stops[step][0])


def _is_alive(running: Running) -> bool:
    return running.process is not None and running.process.poll() is None


def _reason(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

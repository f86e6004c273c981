"""v3: buffers, level 0 and compaction debt over time, until the debt is drained.

A writer fills buffers as fast as processor, log and free buffers let it; while it waits for a sync
of its log it puts nothing. Full buffers are flushed to level 0; compactions follow the shape of the
tree (`tuning.engine.putrate.tree`). Flush and compaction share the device with the log and the
limiter with each other; RocksDB slows the writer at the slowdown trigger and stops it at the stop
trigger. After the load everything is drained, and the rate is puts over load and drain.

Sources: RocksDB wiki, "Write Stalls"; ``db/column_family.cc`` for the triggers.
"""

import math
from dataclasses import dataclass, field

from tuning.engine.putrate.formulas import ETA, put_seconds
from tuning.engine.putrate.inputs import PutInputs
from tuning.engine.putrate.tree import Tree

STEP_S = 0.05
#: RocksDB's delayed_write_rate (B/s) where there is no rate limiter; else it is the limiter's.
DELAYED_BPS = 16.0 * (1 << 20)
#: How the delayed rate follows the debt: `SetupDelay` of ``db/column_family.cc``.
_MORE_DEBT, _LESS_DEBT, _NEAR_STOP, _RECOVERED = 0.8, 1.25, 0.6, 1.4
_LEAST_DELAYED_BPS = 16.0 * 1024
#: Part of the device that a synced log gets beside flushes and compactions; v5 fits it.
LOG_SHARE = 0.5
_LONGEST_DRAIN_S = 600.0
#: What is left of a file when it counts as written.
_DONE_BYTES = 1.0


@dataclass
class State:
    """The engine at one moment; compressed bytes but for ``active``."""

    tree: Tree
    puts: float = 0.0
    active: float = 0.0
    waiting: list[float] = field(default_factory=list)
    flushing: float = 0.0
    compacting: float = 0.0
    stalled_s: float = 0.0
    delayed_bps: float = DELAYED_BPS
    is_delayed: bool = False
    debt: float = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a flush or a compaction is under way."""
        return bool(self.waiting) or self.compacting > 0


@dataclass(frozen=True)
class Course:
    """What a load comes to."""

    rate: float
    drain_s: float
    stalled_share: float


def simulated(
    given: PutInputs, eta: float = ETA, cpu_scale: float = 1.0, log_share: float = LOG_SHARE
) -> Course:
    """Run the engine through load and drain."""
    state = State(Tree(given), delayed_bps=_most_delayed(given))
    put_s = put_seconds(given, cpu_scale)
    for _ in range(max(1, round(given.seconds / STEP_S))):
        used = _write(state, given, put_s, log_share)
        _background(state, given, used, eta)
    if state.active > 0:
        state.waiting.append(state.active * given.compression_ratio)
        state.active = 0.0
    drain_s = 0.0
    while drain_s < _LONGEST_DRAIN_S and state.is_busy:
        _background(state, given, 0.0, eta)
        drain_s += STEP_S
    return Course(
        rate=state.puts / (given.seconds + drain_s),
        drain_s=drain_s,
        stalled_share=min(1.0, state.stalled_s / given.seconds),
    )


def _write(state: State, given: PutInputs, put_s: float, log_share: float) -> float:
    """Put what this step allows; return the device bytes that its log took."""
    share = log_share if state.is_busy else 1.0
    wanted = STEP_S / (put_s + given.log_bytes / (share * given.write_bps))
    n_files = len(state.tree.runs)
    allowed = wanted
    if n_files >= given.l0_stop:
        allowed = 0.0
    elif n_files >= given.l0_slowdown:
        allowed = min(allowed, state.delayed_bps * STEP_S / given.user_bytes)
    buffers = given.n_buffers - len(state.waiting)
    room = max(0.0, buffers * given.buffer_bytes - state.active)
    allowed = min(allowed, room / given.user_bytes)
    state.stalled_s += STEP_S * (1.0 - allowed / wanted)
    state.puts += allowed
    state.active += allowed * given.user_bytes
    while state.active >= given.buffer_bytes and len(state.waiting) < given.n_buffers:
        state.active -= given.buffer_bytes
        state.waiting.append(given.file_bytes)
    return allowed * given.log_bytes


def _background(state: State, given: PutInputs, used: float, eta: float) -> None:
    """Flush and compact with what the log leaves of the device and the limiter allows.

    A file passes the limiter while it is written and the device when it is synced at its end: one
    after the other for one job, side by side for a flush and a compaction.
    """
    device = max(0.0, given.write_bps * STEP_S - used)
    limit = given.limiter_bps * STEP_S
    one = device if math.isinf(limit) else limit * device / max(limit + device, 1e-9)
    both = bool(state.waiting) and state.compacting > 0
    budget = min(device, limit, 2 * one) if both else one
    # The limiter lets flushes pass first; on the device they share.
    first = budget * 0.5 if both and math.isinf(limit) else min(budget, one)
    while state.waiting and first > 0:
        left = state.waiting[0] - state.flushing
        done = min(left, first)
        state.flushing, first, budget = state.flushing + done, first - done, budget - done
        if left - done <= _DONE_BYTES:
            state.tree.flushed(state.waiting.pop(0))
            state.flushing = 0.0
            delay(state, given)
    if state.compacting <= 0:
        state.compacting = state.tree.next_compaction()
    price = 1.0 + eta * given.write_bps / given.read_bps
    state.compacting = max(0.0, state.compacting - min(budget, one) / price)
    if state.compacting <= _DONE_BYTES:
        state.compacting = state.tree.next_compaction()
        delay(state, given)


def _most_delayed(given: PutInputs) -> float:
    return DELAYED_BPS if math.isinf(given.limiter_bps) else given.limiter_bps


def delay(state: State, given: PutInputs) -> None:
    """Set the delayed rate anew, as RocksDB does whenever a flush or a compaction is done."""
    n_files, debt = len(state.tree.runs), sum(state.tree.runs)
    was_delayed, before = state.is_delayed, state.debt
    state.is_delayed, state.debt = n_files >= given.l0_slowdown, debt
    factor = 1.0
    if not state.is_delayed:
        factor = _RECOVERED if was_delayed else 1.0
    elif n_files >= given.l0_stop - 2:
        factor = _NEAR_STOP
    elif was_delayed and not given.is_universal:
        # RocksDB estimates no debt for universal compaction.
        factor = _MORE_DEBT if before <= debt else _LESS_DEBT
    bounded = max(state.delayed_bps * factor, _LEAST_DELAYED_BPS)
    state.delayed_bps = min(bounded, _most_delayed(given))

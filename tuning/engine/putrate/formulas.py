"""The put-rate formulas v1 to v4; `docs/tuning-models.md` gives each with its units.

All return puts a second that the engine sustains, its compaction debt paid: what
``sustainable_rate`` measures.
"""

from collections.abc import Callable, Mapping

from tuning.engine.putrate.amplification import by_level, write_amplification
from tuning.engine.putrate.inputs import PutInputs

#: Cost of a byte read by a compaction over a byte written, where the page cache holds most tables.
ETA = 0.1
#: Time of a put over a turn of the spinning loop, without a log and with one, and per KiB; ours,
#: calibrated by v5.
PUT_TURNS, LOG_TURNS, KIB_TURNS = 0.10, 0.05, 0.02
_ROUNDS = 60
_DAMPING = 0.5


def put_seconds(given: PutInputs, scale: float = 1.0) -> float:
    """Return the processor-bound time of one put (s)."""
    turns = PUT_TURNS + LOG_TURNS * given.has_log + KIB_TURNS * given.user_bytes / 1024
    return scale * turns * given.spin_ns / 1e9


def settled(given: PutInputs, rate_of: Callable[[float], float]) -> float:
    """Return the rate at which a rate and the volume that it makes agree.

    Parameters
    ----------
    rate_of : callable
        ``rate_of(flushed_bytes)``: rate (1/s) for a tree of that volume. Falls with the volume.
    """
    rate = rate_of(given.file_bytes)
    for _ in range(_ROUNDS):
        volume = max(rate * given.seconds * given.table_bytes, 1.0)
        rate = rate**_DAMPING * rate_of(volume) ** (1 - _DAMPING)
    return rate


def device_envelope(given: PutInputs) -> float:
    """v1: ``B_w / (u·w)`` with ``w = CR·WA + log share``; the device only, reads free."""

    def rate_of(volume: float) -> float:
        written = given.table_bytes * write_amplification(given, volume) + given.log_bytes
        return given.write_bps / written

    return settled(given, rate_of)


def harmonic_mean(given: PutInputs, eta: float = ETA) -> float:
    """v2: harmonic mean of the write bound and the mixed bound.

    ``B_w/w`` and ``B_eff/(w + η·r)`` with ``B_eff = 1/(p_r/B_r + p_w/B_w)``, ``r = CR·(WA - 1)``.
    """

    def rate_of(volume: float) -> float:
        amplification = write_amplification(given, volume)
        written = given.table_bytes * amplification + given.log_bytes
        read = given.table_bytes * (amplification - 1.0)
        share = eta * read / (written + eta * read)
        mixed_bps = 1.0 / (share / given.read_bps + (1.0 - share) / given.write_bps)
        by_write = given.write_bps / written
        by_mix = mixed_bps / (written + eta * read)
        return 2.0 / (1.0 / by_write + 1.0 / by_mix)

    return settled(given, rate_of)


def level_envelope(given: PutInputs, eta: float = ETA, cpu_scale: float = 1.0) -> float:
    """v4: time of every level on the device, the limiter and the processor; the slowest rules.

    ``1 / max(Σ_l (w_l/B_w + η·r_l/B_r) + log/B_w, Σ_l w_l/limiter, t_put + log/B_w)``: a writer
    that waits for a sync of its log puts nothing meanwhile.
    """

    def rate_of(volume: float) -> float:
        levels = by_level(given, volume)
        tables = sum(
            level.written / given.write_bps + eta * level.read / given.read_bps for level in levels
        )
        device = given.table_bytes * tables + given.log_bytes / given.write_bps
        written = given.table_bytes * sum(level.written for level in levels)
        writer = put_seconds(given, cpu_scale) + given.log_bytes / given.write_bps
        return 1.0 / max(device, written / given.limiter_bps, writer)

    return settled(given, rate_of)


FORMULAS: Mapping[str, str] = {
    "v1": "S = B_w / (u·(CR·WA + log))",
    "v2": "S = 2 / (u·w/B_w + u·(w + η·r)/B_eff)",
    "v3": "S = N / (T + T_drain), N and T_drain by simulation in steps of 50 ms",
    "v4": "S = 1 / max(Σ_l (w_l/B_w + η·r_l/B_r) + log/B_w, Σ_l w_l/R, t_put + log/B_w)",
    "v5": "S = S_physical · exp(x·β + bias)",
}

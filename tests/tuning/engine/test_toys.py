"""The targets that judge the machinery."""

from pathlib import Path

import numpy as np
import pytest

from tuning.engine.problems import BadConfiguration, RefusedByEngine, TargetLost
from tuning.engine.toys import BEST_RATE, Sham, Toy


def test_the_toy_is_best_at_its_known_optimum() -> None:
    toy = Toy()
    assert toy.rate(toy.check(toy.best)) == pytest.approx(BEST_RATE)
    generator = np.random.default_rng(1)
    for _ in range(200):
        other = {
            "buffer": int(generator.integers(1, 2048)),
            "share": float(generator.random()),
            "mode": str(generator.choice(["safe", "fast", "odd"])),
            "cache": bool(generator.integers(2)),
        }
        assert toy.rate(toy.check(other)) <= BEST_RATE + 1e-9
    assert toy.rate(toy.defaults()) < 0.75 * BEST_RATE


def test_the_toy_names_a_broken_constraint() -> None:
    with pytest.raises(BadConfiguration, match="buffer = 4096, cache = False"):
        Toy().check({"buffer": 4096, "cache": False})


def test_equal_seeds_draw_equal_noise_and_others_differ(tmp_path: Path) -> None:
    sham, load = Sham(), Sham().workloads()[1]
    rates = [
        sham.measure({"dial": dial}, load, seconds=2, seed=seed, folder=tmp_path).values["rate"]
        for dial, seed in ((0.1, 3), (0.9, 3), (0.1, 4))
    ]
    assert rates[0] == rates[1] != rates[2]


def test_errors_survive_the_way_through_a_queue() -> None:
    import pickle  # noqa: PLC0415 - what queues do

    refused = pickle.loads(pickle.dumps(RefusedByEngine("no such thing")))  # noqa: S301 - own bytes
    assert isinstance(refused, RefusedByEngine)
    lost = pickle.loads(pickle.dumps(TargetLost("target_lost", target="toy", reason="signal 9")))  # noqa: S301 - own bytes
    assert isinstance(lost, TargetLost)
    assert "signal 9" in str(lost)

"""See whether the machinery of studies can be fooled, and whether it finds what is there.

    python -m benchmarks.tuning.sham [--studies 100] [--noise 0.05] [--target sham]

Whole studies, search and proof, on two simulated targets: the sham, whose options do nothing, must
end in "no effect"; the toy, whose best configuration is known, must be found within 10 %.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tuning.engine import procedure, sampling, searching
from tuning.engine.contract import Target, preset
from tuning.engine.options import Value
from tuning.engine.procedure import Done, End, Plan
from tuning.engine.toys import BEST_RATE, Sham, Toy

N_TRIALS, N_PAIRS = 40, 12


@dataclass(frozen=True)
class Ended:
    """How one study ended."""

    verdict: str
    ground: str
    configuration: dict[str, Value] | None
    n_trials: int
    n_pairs: int


def study(target: Target, noise: float, seed: int, folder: Path) -> Ended:
    """Run one study as the portal does."""
    metrics = searching.speaking_for(target)
    goal = searching.Goal({"throughput": 1.0}, {"throughput": metrics["throughput"]})
    budget = searching.planned(600, n_trials=N_TRIALS, n_pairs=N_PAIRS)
    plan = Plan(goal, budget, target.defaults(), seed)
    options = sampling.searchable(target.options())
    sampler = sampling.make_sampler("tpe", options, seed)
    made = sampling.make_study(name=f"{target.name}-{seed}", n_gains=1, sampler=sampler)
    search = sampling.Search(made, options, target, plan.current)
    workload = preset(target, "plain", noise=noise)
    done: list[Done] = []
    while True:
        step = procedure.next_step(plan, done)
        if isinstance(step, End):
            n_pairs = step.proof.interval.n_pairs
            chosen = dict(step.candidate) if step.candidate else None
            return Ended(step.proof.verdict, step.proof.ground, chosen, len(done), n_pairs)
        proposal = search.ask() if step.configuration is None else None
        configuration = proposal.configuration if proposal else dict(step.configuration or {})
        found = target.measure(
            configuration, workload, seconds=2, seed=seed * 100_003 + len(done), folder=folder
        )
        if proposal:
            reference = procedure.current_values(done)
            assert reference is not None  # noqa: S101 - the search comes after the baselines
            search.tell(proposal.number, [goal.score(found.values, reference)])
        done.append(Done(step.role, configuration, "complete", found.values, step.pair))


def main() -> None:
    """Run the studies and print what became of them."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--studies", type=int, default=100)
    asked.add_argument("--noise", type=float, default=0.05)
    asked.add_argument("--first", type=int, default=0, help="Seed of the first study.")
    asked.add_argument("--target", choices=("sham", "toy"), help="One of both only.")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for target in (Sham(), Toy()):
            if given.target not in (None, target.name):
                continue
            started = time.perf_counter()
            ended = [
                study(target, given.noise, seed, Path(folder)) for seed in range(given.studies)
            ]
            _tell(target, ended, time.perf_counter() - started)


def _tell(target: Target, ended: list[Ended], seconds: float) -> None:
    verdicts = Counter(f"{one.verdict} ({one.ground})" for one in ended)
    pairs = sorted(one.n_pairs for one in ended)
    say = [
        f"{target.name}: {len(ended)} studies in {seconds:.0f} s, load {os.getloadavg()[0]:.1f}",
        f"  verdicts: {dict(verdicts)}",
        f"  pairs: median {pairs[len(pairs) // 2]}, most {pairs[-1]}",
    ]
    if isinstance(target, Toy):
        rates = [target.rate(one.configuration or target.defaults()) for one in ended]
        near = sum(rate >= 0.9 * BEST_RATE for rate in rates)
        say.append(f"  within 10 % of the best: {near} of {len(rates)}; lowest {min(rates):.0f}")
    print("\n".join(say))  # noqa: T201 - a benchmark prints


if __name__ == "__main__":
    main()

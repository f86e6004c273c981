"""The search engine by itself: build, recall, filters, CPU time, memory, and peers beside it.

    .venv/bin/python -m benchmarks.search.engine [--peers "$(benchmarks/search/setup.sh)"]

With ``--index FOLDER`` the index is built once and ``--only`` measures a part at a time.

Passages are generated (`benchmarks.search.corpus`), questions are apart from any passage. All
engines index the same tokens and vectors and are asked in turns in one run, in another order each
round. CPU time is the process's own; what waits for the machine is not in it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search.corpus import Corpus
from portal.stack.throwaway import throwaway
from search.engine.building import build
from search.engine.filters import matches, parse
from search.engine.index import Index, open_index
from search.engine.manifest import Manifest
from search.engine.options import BuildOptions
from search.engine.tokenizers import tokenizer
from search.engine.validation import exact_scores, recall_at

ROOT = Path(__file__).resolve().parents[2]
K = 10
PARTS = ("recall", "speed", "memory", "compared")
#: By name, a filter of about this selectivity.
FILTERS: Mapping[str, dict[str, Any]] = {
    "1 %": {"hundredth": 5},
    "10 %": {"tenth": 3},
    "50 %": {"half": True},
}
#: Questions a peer is asked in a round; the slow ones take seconds for these.
PEER_QUESTIONS = {"DuckDB fts + vss": 10, "Postgres full text": 20}


def built(folder: Path, corpus: Corpus, n_passages: int) -> Manifest:
    """Build the index unless the folder holds it."""
    if (folder / "manifest.json").exists():
        return Manifest.read(folder)
    _say(f"building {n_passages:,} passages")
    return build(corpus.passages(n_passages), folder, BuildOptions(), n_expected=n_passages)


def recalls(index: Index, folder: Path, corpus: Corpus, questions: list[str]) -> dict[str, Any]:
    """Return recall@10 against exact search and the least number of rows, plain and filtered."""
    floats = np.load(folder / "vectors.npy", mmap_mode="r")
    queries = _vectors(index, questions)
    found = {"none": _recall(index, floats, np.arange(len(floats)), questions, queries, None)}
    passages = list(corpus.passages(len(floats)))
    for name, filters in FILTERS.items():
        conditions = parse(filters, index.fields)
        rows = np.array([row for row, one in enumerate(passages) if matches(conditions, one)])
        found[name] = _recall(index, floats, rows, questions, queries, filters)
    return found


def _recall(
    index: Index,
    floats: Any,
    rows: Any,
    questions: list[str],
    queries: Any,
    filters: dict[str, Any] | None,
) -> dict[str, Any]:
    best = exact_scores(np.ascontiguousarray(floats[rows]), queries)
    each, counts, cpu_ms = [], [], []
    for question, own in zip(questions, best, strict=True):
        started = time.process_time()
        hits = index.search(question, "vector", K, filters).hits
        cpu_ms.append((time.process_time() - started) * 1000)
        scores = np.array([hit.vector_score for hit in hits], dtype=np.float32)
        each.append(recall_at(scores, own))
        counts.append(len(hits))
    hybrid = [len(index.search(one, "hybrid", K, filters).hits) for one in questions]
    return {
        "selected": len(rows),
        "recall_at_10": float(np.mean(each)),
        "worst_query": float(np.min(each)),
        "least_rows": int(min(*counts, *hybrid)),
        "cpu_ms": float(np.median(cpu_ms)),
        "n": len(questions),
    }


def speeds(index: Index, questions: list[str], rounds: int, seed: int = 0) -> dict[str, Any]:
    """Return CPU and wall time of each mode, asked in turns."""
    generator = np.random.default_rng(seed)
    asked: dict[str, dict[str, Any]] = {"hybrid": {}, "lexical": {}, "vector": {}}
    asked |= {f"hybrid, filter {name}": {"filters": one} for name, one in FILTERS.items()}
    samples: dict[str, list[float]] = {name: [] for name in asked}
    medians: dict[str, list[float]] = {name: [] for name in asked}
    for question in questions[:100]:
        index.search(question)
    for _ in range(rounds):
        for name in generator.permutation(list(asked)):
            mode = name if name in ("lexical", "vector") else "hybrid"
            own = []
            for question in generator.permutation(questions):
                started = time.process_time()
                index.search(str(question), mode, K, **asked[str(name)])
                own.append((time.process_time() - started) * 1000)
            samples[str(name)] += own
            medians[str(name)].append(float(np.median(own)))
    return {
        name: _spread(own) | {"round_medians": [min(medians[name]), max(medians[name])]}
        for name, own in samples.items()
    }


@contextmanager
def peers(
    python: str, folder: Path, index: Index, corpus: Corpus, questions: list[str]
) -> Iterator["Peers"]:
    """Start the peers on the tokens and vectors of the index."""
    words = tokenizer("bigram-1")
    n_passages = index.manifest.n_passages
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with (work / "tokens.txt").open("w", encoding="utf-8") as stream:
            for row, passage in enumerate(corpus.passages(n_passages)):
                stream.write(("\n" if row else "") + " ".join(words.tokens(passage.searched())))
        (work / "vectors.npy").symlink_to(folder / "vectors.npy")
        asked = [list(dict.fromkeys(words.tokens(one))) for one in questions]
        (work / "queries.json").write_text(json.dumps(asked), "utf-8")
        np.save(work / "query-vectors.npy", _vectors(index, questions))
        things = stack.enter_context(throwaway())
        process = subprocess.Popen(  # noqa: S603 - the words are ours
            [
                python,
                str(ROOT / "benchmarks" / "search" / "peers.py"),
                work,
                things.postgres.url("postgres"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        stack.callback(_end, process)
        yield Peers(process)


class Peers:
    """Talks to the process of the peers."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.builds: dict[str, dict[str, float]] = {}
        for _ in range(4):
            answer = self._answer()
            self.builds[answer.pop("peer")] = answer
            _say(f"peer indexed: {self.builds}")

    def ask(self, peer: str, numbers: list[int]) -> dict[str, Any]:
        """Let a peer answer some questions."""
        if self._process.stdin is None:
            raise RuntimeError("The peers take no orders.")
        self._process.stdin.write(json.dumps({"peer": peer, "queries": numbers}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError("The peers have died.")
        answer: dict[str, Any] = json.loads(line)
        return answer


def compared(
    index: Index, folder: Path, others: Peers, questions: list[str], rounds: int
) -> dict[str, Any]:
    """Ask the product and its peers in turns; return CPU time a query and vector recall."""
    generator = np.random.default_rng(1)
    best = exact_scores(np.load(folder / "vectors.npy", mmap_mode="r"), _vectors(index, questions))
    floats, queries = np.load(folder / "vectors.npy", mmap_mode="r"), _vectors(index, questions)
    cpu: dict[str, list[float]] = {name: [] for name in ("product", *others.builds)}
    recall: list[float] = []
    n_asked = dict.fromkeys(cpu, 0)
    for number in range(rounds):
        for name in generator.permutation(list(cpu)):
            size = PEER_QUESTIONS.get(str(name), len(questions))
            numbers = [int(one) for one in generator.choice(len(questions), size, replace=False)]
            n_asked[str(name)] += size
            if name == "product":
                started = time.process_time()
                for one in numbers:
                    index.search(questions[one], "hybrid", K)
                cpu["product"].append((time.process_time() - started) * 1000 / size)
                continue
            answer = others.ask(str(name), numbers)
            cpu[str(name)].append(answer["cpu_ms"])
            if name == "DuckDB fts + vss":
                recall += [
                    recall_at(floats[found] @ queries[one], best[one])
                    for one, found in zip(numbers, answer["found"], strict=True)
                ]
        _say(f"round {number + 1} of {rounds}")
    return {
        "cpu_ms": {
            name: {"median": float(np.median(own)), "low": min(own), "high": max(own),
                   "n": n_asked[name]}
            for name, own in cpu.items()
        },
        "duckdb_recall_at_10": float(np.mean(recall)),
        "builds": others.builds,
    }  # fmt: skip


def memory(folder: Path) -> dict[str, Any]:
    """Return what a fresh process holds in memory for the index."""
    done = subprocess.run(  # noqa: S603 - the words are ours
        [sys.executable, "-m", "benchmarks.search.memory", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _vectors(index: Index, questions: list[str]) -> Any:
    embedder = index.embedder
    if embedder is None:
        raise RuntimeError("The index holds no vectors.")
    return embedder.encode(questions)


def _spread(samples: list[float]) -> dict[str, float]:
    middle, high, highest = np.percentile(samples, (50, 95, 99))
    return {"median": float(middle), "p95": float(high), "p99": float(highest), "n": len(samples)}


def _end(process: "subprocess.Popen[str]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--index", type=Path, help="Kept and used again; else a temporary folder.")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--peers", help="Interpreter that benchmarks/search/setup.sh printed.")
    given = parser.parse_args()
    corpus = Corpus.make()
    questions = corpus.questions(given.questions)
    figures: dict[str, Any] = {"load_at_start": os.getloadavg()}
    with ExitStack() as stack:
        folder = given.index or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "index"
        manifest = built(folder, corpus, given.passages)
        figures["build"] = {
            "cpu_s": manifest.cpu_s,
            "timings_s": manifest.timings_s,
            "validation": manifest.validation,
            "vectors": manifest.vectors,
            "size_mb": manifest.size_bytes / 1e6,
            "files_mb": {name: one["size_bytes"] / 1e6 for name, one in manifest.files.items()},
        }
        index = open_index(folder)
        if "recall" in given.only:
            figures["recall"] = recalls(index, folder, corpus, questions)
        if "speed" in given.only:
            figures["speed"] = speeds(index, questions, given.rounds)
        if "memory" in given.only:
            figures["memory"] = memory(folder)
        if given.peers and "compared" in given.only:
            with peers(given.peers, folder, index, corpus, questions) as others:
                figures["compared"] = compared(index, folder, others, questions, given.rounds)
    figures["load_at_end"] = os.getloadavg()
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

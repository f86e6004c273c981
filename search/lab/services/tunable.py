"""The parameters of the portal's own graph over codes, as something that can be tuned."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings as portal_settings
from django.utils.translation import gettext_noop

from portal.lib.tunables import Beat, Figure, NotMeasurable, Reading, Setting, Value
from search.lab.engine import sealed

if TYPE_CHECKING:
    from search.lab.engine.corpora import Corpus

DIMENSION = 128
SCALES: Mapping[str, tuple[int, str]] = {
    "generated-10k": (10_000, gettext_noop("10,000 generated passages in Korean, 128 numbers.")),
    "generated-2k": (2_000, gettext_noop("2,000 generated passages, for a quick look.")),
    "generated-100k": (100_000, gettext_noop("100,000 generated passages, minutes a trial.")),
}


class GraphParameters:
    """Measured by the lab: every question alone, against exact answers, in this process."""

    name = "hnsw"
    title = gettext_noop("Vector index (HNSW)")
    settings = (
        Setting("m", "integer", 16, 4, 64, True, meaning=gettext_noop("Edges of a node.")),
        Setting(
            "ef_construction",
            "integer",
            200,
            16,
            800,
            True,
            meaning=gettext_noop("Breadth of the build."),
        ),
        Setting(
            "ef_search", "integer", 100, 8, 800, True, meaning=gettext_noop("Breadth of a search.")
        ),
        Setting(
            "code_bits",
            "choice",
            "4",
            choices=("4", "8"),
            unit="bit",
            meaning=gettext_noop("Bits a dimension in the graph."),
        ),
    )
    figures = (
        Figure(
            "p95_ms",
            gettext_noop("Latency, 95th percentile"),
            "ms",
            "lower",
            "latency",
            "wall time of one question at a time, warm-up apart",
        ),
        Figure(
            "recall_at_10",
            gettext_noop("Recall of the ten nearest"),
            "",
            "higher",
            "accuracy",
            "share of the exact ten nearest found",
        ),
        Figure(
            "size_bytes", gettext_noop("Size of the index"), "B", "lower", "scaling", "its files"
        ),
        Figure(
            "build_s", gettext_noop("Time to build"), "s", "lower", "scaling", "wall time, one core"
        ),
    )

    def subjects(self) -> Sequence[tuple[str, str]]:
        """Return the corpora, the usual one first."""
        return [(name, meaning) for name, (_scale, meaning) in SCALES.items()]

    def problem(self, configuration: Mapping[str, Value]) -> str:
        """Return nothing: all of these go together."""
        return ""

    def measure(
        self,
        configuration: Mapping[str, Value],
        subject: str,
        *,
        seconds: float,
        seed: int,
        folder: Path,
        beat: Beat,
    ) -> Reading:
        """Build the index of a corpus and ask it every question."""
        from search.lab.engine import measuring, usage  # noqa: PLC0415 - not in the web process
        from search.lab.engine.engines.own import MILLWRIGHT  # noqa: PLC0415 - as above
        from search.lab.engine.matrix import Cell  # noqa: PLC0415 - as above
        from search.lab.engine.problems import LabProblem  # noqa: PLC0415 - as above

        del seed  # the corpus and its questions are the same for all
        scale, _meaning = SCALES[subject]
        home = Path(portal_settings.HOME) / "lab"

        def check() -> None:
            beat(0.5, "build")

        beat(0.0, "corpus")
        corpus = _corpus(home, scale, check)
        parameters = {**configuration, "code_bits": int(configuration["code_bits"])}
        cell = Cell("millwright", scale, DIMENSION, parameters={"exact_below": 0} | parameters)
        place = folder / "vectors"
        place.mkdir()
        (home / "cache").mkdir(parents=True, exist_ok=True)
        busy = usage.Busy()
        started = time.perf_counter()
        try:
            with sealed.held(corpus.path, corpus.texts.path):
                MILLWRIGHT.build(corpus.vectors, corpus.buckets, place, cell.parameters, check)
                build_s = time.perf_counter() - started
                found = measuring.measure(
                    cell,
                    MILLWRIGHT,
                    corpus,
                    folder,
                    home / "cache",
                    time_limit_s=seconds,
                    check=lambda: beat(0.9, "measure"),
                )
        except LabProblem as exc:
            raise NotMeasurable(str(exc)) from exc
        size = sum(one.stat().st_size for one in place.rglob("*") if one.is_file())
        ordered = sorted(found.samples.wall_ms.tolist())
        return Reading(
            values={
                "p95_ms": ordered[int(0.95 * (len(ordered) - 1))],
                "recall_at_10": float(found.samples.recall_at_10.mean()),
                "size_bytes": float(size),
                "build_s": build_s,
            },
            samples={
                "wall_ms": found.samples.wall_ms.tolist(),
                "recall_at_10": found.samples.recall_at_10.tolist(),
            },
            foreign_load=busy.foreign_cores(),
            facts={"corpus": corpus.digest, "n_questions": len(ordered)},
        )

    def exported(self, configuration: Mapping[str, Value]) -> tuple[str, str]:
        """Return build options of a collection, as the search API takes them."""
        options = {
            "build": {
                "hnsw_m": configuration["m"],
                "ef_construction": configuration["ef_construction"],
                "ef_search": configuration["ef_search"],
                "code_bits": int(configuration["code_bits"]),
            }
        }
        return "collection-options.json", json.dumps(options, indent=2)


def _corpus(home: Path, scale: int, check: Callable[[], None]) -> "Corpus":
    """Return the corpus of a scale, made unless it stands whole."""
    from search.lab.engine import corpora  # noqa: PLC0415 - not in the web process

    folder = home / "corpora"
    sealed.drop_damaged(corpora.generated_folder(folder, scale, 0), n_passages=scale)
    texts = corpora.generated(folder, scale, check=check)
    facts = corpora.vectors_facts(texts, DIMENSION)
    sealed.drop_damaged(corpora.vectors_folder(folder, texts, DIMENSION, 0), **facts)
    return corpora.with_vectors(folder, texts, DIMENSION, check=check)

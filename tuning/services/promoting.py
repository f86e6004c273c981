"""An option set that was proved better, as a version of the registry with its pairs as evidence.

From there on it goes the registry's own way: gate, request, a second person's approval, apply,
rollback. What is live is the champion's file, written out by ``manage.py tuned_options``.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from portal.core.errors import Conflict, NotFound
from portal.lib.hashing import canonical_json, sha256_bytes
from portal.registry import selectors as registry_selectors
from portal.registry import services as registry
from portal.registry.engine.scored import RowScores
from portal.registry.models import EvaluationSet, ModelVersion, RegisteredModel
from portal.runs import artifacts
from portal.runs.context import RunContext
from portal.runs.models import Artifact, Run
from tuning.models import Study
from tuning.services import targets

FAMILY, METRIC = "tuned-options", "measured_gain"
PROOF = "proof.json"
#: The proof itself looked at every pair; the gate looks at the same pairs once more, at its own
#: level, and needs as few of them as a proof does.
GATE_POLICY: Mapping[str, Any] = {
    "primary": METRIC,
    "guards": [],
    "min_groups": 4,
    "block_rows": 1,
    "min_gain": 0.01,
}
_JSON, _TEXT = "application/json", "text/plain"


def model_name(target: str, workload: str) -> str:
    """Return the name of the registered model that an option set belongs to."""
    return f"tuned-{target}-{workload}"[:80]


def main_metric(objective: Mapping[str, Any]) -> str:
    """Return the metric that speaks for the factor of the greatest weight."""
    weights, metrics = objective.get("weights", {}), objective.get("metrics", {})
    known = [factor for factor in weights if factor in metrics]
    return str(metrics[max(known, key=weights.__getitem__)]) if known else ""


def in_use(target: str, workload: str) -> dict[str, Any]:
    """Return the options that are live by promotion; empty for the target's defaults."""
    champion = registry_selectors.champion(model_name(target, workload))
    return dict(champion.settings["configuration"]) if champion else {}


def files(study: Study) -> dict[str, Artifact]:
    """Store the evidence and what the engine reads; call it outside of any transaction."""
    proof = study.proof
    evidence = {
        "study": str(study.pk),
        "candidate": proof["candidate"],
        "current": study.current,
        "log_ratios": proof["log_ratios"],
        "interval": proof["interval"],
        "metrics": proof["metrics"],
        "objective": study.objective,
    }
    name, text = exported(study.target, proof["candidate"])
    return {
        PROOF: artifacts.save(canonical_json(evidence), _JSON),
        name: artifacts.save(text.encode(), _JSON if name.endswith(".json") else _TEXT),
    }


def exported(target: str, configuration: Mapping[str, Any]) -> tuple[str, str]:
    """Return the file that the engine takes its options from: name and text."""
    if target == "rocksdb":
        return "OPTIONS", _options_file(configuration)
    found = targets.exported(target, configuration)
    return found or ("configuration.json", json.dumps(dict(configuration), indent=2))


def _options_file(configuration: Mapping[str, Any]) -> str:
    """Return the OPTIONS file that RocksDB itself writes for these options."""
    from tuning.engine.rocksdb import opening  # noqa: PLC0415 - the web process opens no database

    with tempfile.TemporaryDirectory() as folder:
        database, _options = opening.database(Path(folder) / "db", configuration, wal=True)
        database.close()
        found = sorted((Path(folder) / "db").glob("OPTIONS-*"))
        return found[-1].read_text()


def register(ctx: RunContext, study: Study, kept: Mapping[str, Artifact]) -> ModelVersion:
    """Write the version; inside ``ctx.fenced()``."""
    model = registry.ensure_model(
        name=model_name(study.target, study.workload),
        family=FAMILY,
        title=_("Options of %(target)s under %(workload)s")
        % {"target": study.target, "workload": study.workload},
        gate_policy=GATE_POLICY,
    )
    digest = sha256_bytes(canonical_json(study.current))
    return registry.register_version(
        model=model,
        run=Run.objects.get(pk=ctx.run_id),
        artifacts=kept,
        evaluation_set=registry.freeze_evaluation_set(
            model=model,
            artifact=kept[PROOF],
            n_rows=len(study.proof["log_ratios"]),
            dataset_fingerprint=digest,
            description=_("Pairs of the study “%(name)s”") % {"name": study.name},
        ),
        dataset_fingerprint=digest,
        lineage={"study": str(study.pk), "environment": study.environment},
        signature={},
        evaluation={"proof": study.proof["interval"], "metrics": study.proof["metrics"]},
        settings={
            "configuration": study.proof["candidate"],
            "target": study.target,
            "workload": study.workload,
            "metric": main_metric(study.objective),
        },
        card=_("Proved better than the options in use by the study “%(name)s”.")
        % {"name": study.name},
        is_synthetic=study.target in targets.HIDDEN,
    )


def named(version: ModelVersion) -> dict[str, Any]:
    """Return what a study keeps of its version."""
    return {"id": version.pk, "model": version.model.name, "number": version.number}


def live_file(name: str) -> tuple[str, str, int]:
    """Return name and text of the champion's file, and its version.

    Raises
    ------
    NotFound
        If no option set of that model is live.
    Corrupt
        If the file is damaged.
    """
    model = RegisteredModel.objects.filter(name=name, family=FAMILY).first()
    champion = registry_selectors.champion(name) if model else None
    if champion is None:
        known = RegisteredModel.objects.filter(family=FAMILY).values_list("name", flat=True)
        raise NotFound(
            _("No option set “%(name)s” is live; there are: %(known)s.")
            % {"name": name[:80], "known": ", ".join(known) or "-"},
            code="no_champion",
        )
    file = next(one for one in champion.artifact_digests if one != PROOF)
    return file, registry.read_artifact(champion, file).decode(), champion.number


class OptionsFamily:
    """Judges option sets by the pairs in which they were measured beside what was in use."""

    name = FAMILY

    def score(self, version: ModelVersion, evaluation_set: EvaluationSet) -> RowScores:
        """Return the log gain of each pair over the options that were in use.

        Raises
        ------
        Conflict
            If these options were measured in none of the pairs.
        """
        content = json.loads(artifacts.read(evaluation_set.artifact_id))
        gains = np.asarray(content["log_ratios"], dtype=np.float64)
        none = np.zeros_like(gains)
        options = version.settings["configuration"]
        if options not in (content["candidate"], content["current"]):
            raise Conflict(
                _("%(version)s was not measured in these pairs: run a study against it.")
                % {"version": version},
                code="not_scorable",
            )
        own = gains if options == content["candidate"] else none
        each = np.ones_like(gains)
        return RowScores(
            {METRIC: (own, each)}, np.arange(len(gains)), lookup={METRIC: (none, each)}
        )

    def warm(self, version: ModelVersion) -> None:
        """Read every file as it would go live; raise ``Corrupt`` when one is damaged."""
        for name in version.artifact_digests:
            registry.read_artifact(version, name)

"""How long a backup, its rehearsal and its restoration take, and whether all comes back.

Fills a throw-away stack with predictions and model versions, backs it up twice (the second time
with a tenth more predictions), rehearses, damages the live state and restores it. Everything the
times are for is compared: rows and digests of every table, the digest of every artifact.

    .venv/bin/python -m benchmarks.monitoring.backup --predictions 1000000 --versions 100
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from portal.stack import throwaway

ARTIFACT_BYTES = 300_000
FILL = """
    INSERT INTO predictions_prediction
        (id, version_id, at, features, probability, predicted_class, confidence, latent, latency_ms,
         principal, request_id, role, challenger_share)
    SELECT gen_random_uuid(), %(version)s, now() - one * interval '1 second',
           jsonb_object_agg(name, round(random()::numeric * 1000, 3)), random(), 'ok', 'high',
           jsonb_build_array(random(), random(), random(), random()), 0.3, 'key:1', one::text,
           'champion', 0
    FROM generate_series(%(first)s::int, %(last)s::int) AS one,
         unnest(%(names)s::text[]) AS name
    GROUP BY one
"""


def fill(n_predictions: int, n_versions: int, seed: int) -> int:
    """Make versions with artifacts, and predictions of the last; return its key."""
    from portal.registry.models import ModelVersion, RegisteredModel  # noqa: PLC0415 - after setup
    from portal.runs import artifacts  # noqa: PLC0415 - as above

    generator = np.random.default_rng(seed)
    model = RegisteredModel.objects.create(name="benchmark", family="quality", title="Benchmark")
    version = None
    for number in range(1, n_versions + 1):
        content = generator.bytes(ARTIFACT_BYTES)
        kept = artifacts.save(content, "application/x-onnx")
        version = ModelVersion.objects.create(
            model=model,
            number=number,
            artifact_digests={"serving.onnx": kept.sha256},
            dataset_fingerprint="0" * 64,
            digest=kept.sha256,
        )
        version.version_artifacts.create(name="serving.onnx", artifact=kept)
    assert version is not None  # noqa: S101 - n_versions is at least one
    add(version.pk, 1, n_predictions)
    return int(version.pk)


def add(version: int, first: int, last: int) -> None:
    """Add predictions with the features of real ones."""
    from django.db import connection  # noqa: PLC0415 - after setup

    from predictions.engine.features import FEATURE_NAMES  # noqa: PLC0415 - as above

    words = {"version": version, "first": first, "last": last, "names": list(FEATURE_NAMES)}
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(FILL, words)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what work returns, and its seconds."""
    began = time.perf_counter()
    result = work()
    return result, round(time.perf_counter() - began, 1)


def measure(n_predictions: int, n_versions: int, seed: int, passphrase: str) -> dict[str, Any]:
    """Return all times and sizes."""
    from django.core.management import call_command  # noqa: PLC0415 - after setup

    from monitoring.services import backups  # noqa: PLC0415 - as above
    from monitoring.services.backups import postgres_tools, restoring  # noqa: PLC0415 - as above
    from monitoring.services.backups.fingerprints import (  # noqa: PLC0415 - as above
        differences,
        fingerprints,
    )
    from portal.core.actors import Actor  # noqa: PLC0415 - as above
    from portal.runs import artifacts  # noqa: PLC0415 - as above

    call_command("migrate", verbosity=0)
    version, filled_s = timed(lambda: fill(n_predictions, n_versions, seed))
    with (
        tempfile.TemporaryDirectory(prefix="millwright-vault-") as folder,
        backups.opened(folder, passphrase, is_new_allowed=True) as vault,
    ):
        first, first_s = timed(lambda: backups.make(vault))
        add(version, n_predictions + 1, n_predictions + n_predictions // 10)
        made, second_s = timed(lambda: backups.make(vault))
        drilled, drilled_s = timed(lambda: backups.drill(vault, made.name))
        add(version, 2 * n_predictions, 2 * n_predictions + 1000)
        lost = list(made.artifacts)[: n_versions // 2]
        for sha256 in lost:
            Path(os.environ["MILLWRIGHT_HOME"], "artifacts", "sha256", sha256[:2], sha256).unlink()
        actor = Actor.system("benchmark")
        restored, restored_s = timed(lambda: backups.restore(vault, made.name, actor))
        with postgres_tools.own_server().connect() as opened:
            wrong = differences(made.tables, fingerprints(opened))
        wrong = [line for line in wrong if not line.startswith("core_audit")]  # tells of the return
        wrong += [sha256 for sha256 in made.artifacts if not artifacts.is_stored(sha256)]
        restoring.drop_previous()
    return {
        "n_predictions": n_predictions,
        "n_versions": n_versions,
        "is_sealed": bool(passphrase),
        "filled_s": filled_s,
        "n_rows": made.n_rows,
        "dump_mib": round(made.dump["size_bytes"] / 2**20, 1),
        "artifact_mib": round(made.artifact_bytes / 2**20, 1),
        "first_backup_s": first_s,
        "first_parts_s": first.seconds,
        "second_backup_s": second_s,
        "second_parts_s": made.seconds,
        "drill_s": drilled_s,
        "drill_parts_s": drilled["seconds"],
        "restore_s": restored_s,
        "artifacts_lost_and_restored": [len(lost), restored.n_artifacts],
        "differences_after_restore": wrong,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "load_after": psutil.getloadavg()[0],
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--versions", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--passphrase", default="", help="seals the vault")
    given = parser.parse_args()
    with throwaway.throwaway() as things:
        things.postgres.create_database()
        os.environ.update(throwaway.environment(things))
        os.environ["DATABASE_URL"] = things.postgres.url()
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        import django  # noqa: PLC0415 - the environment is complete only now

        django.setup()
        result = measure(given.predictions, given.versions, given.seed, given.passphrase)
        from django.db import connection  # noqa: PLC0415 - as above

        connection.close()
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

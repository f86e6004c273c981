"""Artifacts: one contract, kept by a folder and by an S3-compatible store."""

import io
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.files.storage import storages
from django.db import transaction
from moto.server import ThreadedMotoServer

from portal.core.errors import Corrupt, NotFound, OutOfSpace, Unavailable
from portal.core.models import Alert
from portal.lib import clock
from portal.lib.hashing import sha256_bytes
from portal.runs import artifacts
from portal.runs.context import RunContext
from portal.runs.models import Artifact, RunArtifact

pytestmark = pytest.mark.django_db

BUCKET = "artifacts"
DATA = b"one defect in five\n" * 1_000


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """Keep artifacts in a folder of the test's own."""
    location = tmp_path / "artifacts"
    settings.STORAGES = settings.STORAGES | {
        "artifacts": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": location, "file_permissions_mode": 0o640},
        }
    }
    return location


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    """Run a real S3-compatible server on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


def s3_options(address: str) -> dict[str, Any]:
    return {
        "bucket_name": BUCKET,
        "endpoint_url": address,
        "region_name": "us-east-1",
        "access_key": "test",
        "secret_key": "test",
        "file_overwrite": True,
    }


@pytest.fixture
def bucket(s3_address: str, settings: Any) -> Any:
    """Keep artifacts in a bucket of the test server."""
    options = s3_options(s3_address)
    settings.STORAGES = settings.STORAGES | {
        "artifacts": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    }
    store = boto3.resource(
        "s3",
        endpoint_url=s3_address,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    bucket = store.Bucket(BUCKET)
    bucket.create()
    bucket.objects.delete()
    return bucket


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest) -> Any:
    """Every member of the family of storages, one after the other."""
    request.getfixturevalue(request.param)
    return storages["artifacts"]


def put_directly(storage: Any, name: str, content: bytes) -> None:
    storage.delete(name)
    storage.save(name, io.BytesIO(content))


@pytest.mark.usefixtures("storage")
def test_content_is_kept_under_its_digest() -> None:
    kept = artifacts.save(DATA, "text/plain")
    assert (kept.sha256, kept.size_bytes) == (sha256_bytes(DATA), len(DATA))
    assert artifacts.read(kept.sha256) == DATA


@pytest.mark.usefixtures("storage")
def test_bytes_files_and_streams_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    kept = {
        artifacts.save(content, "text/plain").pk
        for content in (DATA, tmp_path / "data", io.BytesIO(DATA))
    }
    assert kept == {sha256_bytes(DATA)}
    assert Artifact.objects.count() == 1


@pytest.mark.usefixtures("storage")
def test_empty_content_is_content() -> None:
    assert artifacts.read(artifacts.save(b"", "text/plain").pk) == b""


def test_tampered_content_is_refused_and_alerts(storage: Any) -> None:
    kept = artifacts.save(DATA, "text/plain")
    put_directly(storage, kept.storage_name, DATA.replace(b"five", b"nine"))
    with pytest.raises(Corrupt, match="is damaged"):
        artifacts.read(kept.pk)
    assert Alert.objects.open().get().key == f"artifact:{kept.pk}"


def test_missing_content_is_refused_and_alerts(storage: Any) -> None:
    kept = artifacts.save(DATA, "text/plain")
    storage.delete(kept.storage_name)
    with pytest.raises(Corrupt, match="is missing"), artifacts.open_verified(kept.pk):
        pytest.fail("opened what is not there")
    assert Alert.objects.open().exists()


def test_damaged_content_is_mended_by_storing_it_again(storage: Any) -> None:
    kept = artifacts.save(DATA, "text/plain")
    put_directly(storage, kept.storage_name, DATA[::-1])
    artifacts.save(DATA, "text/plain")
    assert artifacts.read(kept.pk) == DATA


@pytest.mark.usefixtures("folder")
def test_content_that_was_restored_ends_its_alert_when_it_is_read() -> None:
    kept = artifacts.save(DATA, "text/plain")
    put_directly(storages["artifacts"], kept.storage_name, DATA[::-1])
    with pytest.raises(Corrupt):
        artifacts.read(kept.pk)
    put_directly(storages["artifacts"], kept.storage_name, DATA)
    assert Alert.objects.open().exists()
    artifacts.read(kept.pk)
    assert not Alert.objects.open().exists()


@pytest.mark.usefixtures("folder")
def test_damaged_content_is_looked_at_again_though_nobody_reads_it() -> None:
    well, ill, gone = (artifacts.save(DATA + word, "text/plain") for word in (b"1", b"2", b"3"))
    for kept in (well, ill, gone):
        put_directly(storages["artifacts"], kept.storage_name, b"")
        with pytest.raises(Corrupt):
            artifacts.read(kept.pk)
    put_directly(storages["artifacts"], well.storage_name, DATA + b"1")
    Artifact.objects.filter(pk=gone.pk).delete()
    assert artifacts.check_damaged() == 2
    assert Alert.objects.open().get().key == f"artifact:{ill.pk}"


@pytest.mark.usefixtures("folder")
def test_removed_content_leaves_no_alert() -> None:
    kept = artifacts.save(DATA, "text/plain")
    storages["artifacts"].delete(kept.storage_name)
    with pytest.raises(Corrupt):
        artifacts.read(kept.pk)
    assert artifacts.remove_unreferenced(kept.pk)
    assert not Alert.objects.open().exists()


@pytest.mark.usefixtures("storage")
def test_an_unknown_digest_is_not_found() -> None:
    with pytest.raises(NotFound):
        artifacts.read("0" * 64)


@pytest.mark.usefixtures("storage")
def test_the_verified_copy_is_gone_afterwards() -> None:
    with artifacts.open_verified(artifacts.save(DATA, "text/plain").pk) as path:
        assert path.read_bytes() == DATA
    assert not path.exists()


def test_strays_go_once_they_are_old_and_artifacts_stay(
    storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = artifacts.save(DATA, "text/plain")
    with transaction.atomic():
        stray = artifacts.save(b"never committed", "text/plain")
        transaction.set_rollback(True)
    assert artifacts.remove_strays() == 0
    later = clock.now() + timedelta(days=2)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert artifacts.remove_strays() == 1
    assert not storage.exists(stray.storage_name)
    assert artifacts.read(kept.pk) == DATA


def test_a_file_is_private_and_alone(folder: Path) -> None:
    kept = artifacts.save(DATA, "text/plain")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files == [folder / kept.storage_name]
    assert files[0].stat().st_mode & 0o777 == 0o640


def test_an_error_in_the_midst_of_the_source_leaves_nothing(folder: Path) -> None:
    class Breaking(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="broke"):
        artifacts.save(Breaking(), "text/plain")  # type: ignore[arg-type]  # enough of a stream
    assert not any(path.is_file() for path in folder.rglob("*"))
    assert not Artifact.objects.exists()


FULL_DISK = """
import resource, sys
import django
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
django.setup()
from portal.core.errors import OutOfSpace
from portal.runs import artifacts
from portal.runs.models import Artifact
try:
    artifacts.save(bytes(1 << 20), "application/octet-stream")
except OutOfSpace:
    sys.exit(3 if Artifact.objects.exists() else 0)
sys.exit(4)
"""


@pytest.mark.integration
def test_a_disk_that_is_full_leaves_neither_file_nor_row(
    child_environment: dict[str, str], tmp_path: Path
) -> None:
    env = child_environment | {"MILLWRIGHT_HOME": os.fspath(tmp_path)}
    done = subprocess.run(  # noqa: S603 - the words are ours
        [sys.executable, "-c", FULL_DISK], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(path.is_file() for path in (tmp_path / "artifacts").rglob("*"))


def test_a_bucket_out_of_space_says_so(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError  # noqa: PLC0415

    def full(*_args: Any, **_words: Any) -> None:
        answer: Any = {
            "Error": {"Code": "XMinioStorageFull"},
            "ResponseMetadata": {"HTTPStatusCode": 507},
        }
        raise ClientError(answer, "PutObject")

    monkeypatch.setattr(storages["artifacts"], "save", full)
    with pytest.raises(OutOfSpace):
        artifacts.save(DATA, "text/plain")
    assert not Artifact.objects.exists()


def test_a_store_that_does_not_answer_is_unavailable(settings: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    from botocore.config import Config  # noqa: PLC0415

    options = s3_options(address) | {
        "client_config": Config(retries={"max_attempts": 1}, connect_timeout=1)
    }
    settings.STORAGES = settings.STORAGES | {
        "artifacts": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    }
    with pytest.raises(Unavailable):
        artifacts.save(DATA, "text/plain")


def test_a_run_keeps_what_it_stored_last_under_a_name(context: RunContext) -> None:
    context.save_artifact("model.onnx", b"first", "application/onnx")
    kept = context.save_artifact("model.onnx", b"second", "application/onnx")
    assert RunArtifact.objects.get().artifact == kept


def test_content_with_a_row_in_use_is_not_removed(context: RunContext) -> None:
    kept = context.save_artifact("model.onnx", DATA, "application/onnx")
    assert not artifacts.remove_unreferenced(kept.pk)
    RunArtifact.objects.all().delete()
    assert artifacts.remove_unreferenced(kept.pk)
    with pytest.raises(NotFound):
        artifacts.read(kept.pk)

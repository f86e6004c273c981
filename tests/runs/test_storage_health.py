"""The health of the artifact storage: room on a volume of its own, an object store that answers."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from portal.core.findings import Status
from portal.runs import storage_health
from portal.runs.storage_health import StorageHealth

Bucket = Callable[[str, str], None]


@pytest.fixture
def volume(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep artifacts in a folder that stands for a volume of its own."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    options = {"location": folder}
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = settings.STORAGES | {"artifacts": {"BACKEND": backend, "OPTIONS": options}}
    monkeypatch.setattr(storage_health, "_device", lambda path: path == folder)
    return folder


@pytest.fixture
def store(settings: Any) -> Bucket:
    """Give ``store(address, bucket)``: keep artifacts there."""

    def use(address: str, bucket: str) -> None:
        options = {
            "bucket_name": bucket,
            "endpoint_url": address,
            "region_name": "us-east-1",
            "access_key": "test",
            "secret_key": "test",
        }
        backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
        settings.STORAGES = settings.STORAGES | {"artifacts": backend}

    return use


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run a real S3-compatible server on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.mark.parametrize(
    ("limit", "status"),
    [("LITTLE_SPACE_BYTES", Status.DEGRADED), ("NO_SPACE_BYTES", Status.UNHEALTHY)],
)
@pytest.mark.usefixtures("volume")
def test_a_full_volume_of_the_artifacts_shows(
    monkeypatch: pytest.MonkeyPatch, limit: str, status: Status
) -> None:
    assert StorageHealth()().figures["free_bytes"] > 0
    monkeypatch.setattr(storage_health, limit, 1 << 60)
    assert StorageHealth()().status == status


def test_the_volume_of_the_state_folder_is_not_counted_twice(settings: Any) -> None:
    assert StorageHealth()().figures == {}


def test_a_bucket_that_is_there_is_well(server: str, store: Bucket) -> None:
    from django.core.files.storage import storages  # noqa: PLC0415 - after the settings are changed

    store(server, "kept")
    storages["artifacts"].connection.create_bucket(Bucket="kept")  # type: ignore[attr-defined]  # S3
    assert StorageHealth()().status == Status.HEALTHY


def test_a_bucket_that_is_missing_shows(server: str, store: Bucket) -> None:
    store(server, "missing")
    finding = StorageHealth()()
    assert (finding.status, "404" in finding.detail) == (Status.DEGRADED, True)


def test_a_store_that_hangs_shows_and_is_not_asked_again_at_once(store: Bucket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        store(f"http://127.0.0.1:{deaf.getsockname()[1]}", "kept")
        look = StorageHealth()
        finding = look()
        assert (finding.status, finding.detail) == (
            Status.DEGRADED,
            "The artifact storage does not answer (ReadTimeoutError).",
        )
        assert look() is finding


def test_an_error_names_neither_host_nor_account(store: Bucket) -> None:
    store("http://127.0.0.1:9", "kept")
    detail = StorageHealth()().detail
    assert "127.0.0.1" not in detail
    assert os.sep not in detail

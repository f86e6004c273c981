"""A disk that is full while somebody sends something: said so and cleaned up."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import OperationalError
from django.http import HttpRequest, UnreadablePostError
from django.test import Client, RequestFactory
from psycopg import errors as postgres_errors

from portal.core.api.exceptions import problem_of
from portal.core.api.middleware import server_error

#: What a child process tries while it may write no file beyond 64 KiB: a body that goes to a
#: temporary file while it is received, one that is kept in memory and written later, and a page.
SENDER = """
import io, resource, sys
import django
from django.conf import settings
settings.STORAGES["staticfiles"] = {
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
django.setup()
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from portal.core.models import User
from predictions.engine.generator import generate

settings.ALLOWED_HOSTS = ["testserver"]
csv = generate(2_000, 5).to_csv()
client = Client(raise_request_exception=False)
client.force_login(User.objects.get(username="kim"))
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
for at_most, address in (
    (1024, "/api/v1/datasets/"),
    (1 << 30, "/api/v1/datasets/"),
    (1024, "/admin/predictions/dataset/add/"),
):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = at_most
    file = SimpleUploadedFile("shots.csv", csv, "text/csv")
    answer = client.post(address, {"file": file, "name": "May", "kind": "diecasting-quality"})
    print(answer.status_code, answer["Content-Type"].partition(";")[0], flush=True)
"""


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_a_file_that_does_not_fit_is_refused_and_leaves_nothing_behind(
    person: Callable[..., Any], child_environment: dict[str, str], tmp_path: Path
) -> None:
    user = person("kim", is_superuser=True, is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="import_dataset"))
    uploads = tmp_path / "tmp"
    uploads.mkdir()
    own = {"MILLWRIGHT_HOME": os.fspath(tmp_path / "home"), "TMPDIR": os.fspath(uploads)}
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", SENDER],
        env=child_environment | own,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "507 application/problem+json",
        "507 application/problem+json",
        "507 text/html",
    ], done.stderr
    left = [*uploads.glob("*upload*"), *uploads.glob("millwright-*")]
    assert [*left, *tmp_path.rglob("artifact-*")] == []


def test_a_database_without_room_says_so() -> None:
    error = OperationalError("could not extend file")
    error.__cause__ = postgres_errors.DiskFull("could not extend file")
    assert (problem_of(error).status, problem_of(error).code) == (507, "out_of_space")


def test_a_body_that_broke_off_is_the_senders(stranger: Client) -> None:
    problem = problem_of(UnreadablePostError("Connection reset"))
    assert (problem.status, problem.code) == (400, "body_unreadable")


def test_any_other_error_of_the_system_stays_one_of_ours() -> None:
    assert problem_of(OSError(13, "Permission denied")).status == 500


@pytest.mark.parametrize(("number", "status"), [(28, 507), (122, 507), (13, 500)])
def test_a_page_says_what_the_disk_says(number: int, status: int) -> None:
    request: HttpRequest = RequestFactory().post("/admin/predictions/dataset/add/")

    def fails() -> None:
        raise OSError(number, "said the disk")

    try:
        fails()
    except OSError:
        answer = server_error(request)
    assert answer.status_code == status

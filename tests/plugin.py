"""Gives a test run its own Postgres, Redis and state folder before Django reads its settings.

Loaded by name from pyproject.toml, because a conftest would come too late. With pytest-xdist the
controller starts the two servers; each worker gets a database and a Redis number of its own.
Servers named by DATABASE_URL and REDIS_URL are used instead when both are given.
"""

import os
import shutil
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from portal.stack.throwaway import environment, throwaway

WORKER = "PYTEST_XDIST_WORKER"
SHARED_HOME = "MILLWRIGHT_TEST_SHARED_HOME"
#: Set while the database is on a server of the test run's own.
THROWAWAY = "MILLWRIGHT_TEST_THROWAWAY"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
KEPT = {SHARED_HOME, THROWAWAY, "MILLWRIGHT_HOME", "MILLWRIGHT_DATA"}


def _forget_own_settings() -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("MILLWRIGHT_")]:
        if name not in KEPT:
            del os.environ[name]
    for name in ("SECRET_KEY", "DJANGO_SETTINGS_MODULE"):
        os.environ.pop(name, None)


def _numbered(url: str, number: int) -> str:
    """Return a Redis URL with another database number."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts._replace(query=f"db={number}").geturl()
    return parts._replace(path=f"/{number}").geturl()


def _join(worker: str) -> None:
    """Take a Redis number and a state folder of one's own on the controller's servers."""
    home = Path(os.environ[SHARED_HOME]) / worker
    home.mkdir(mode=0o700, exist_ok=True)
    number = int(worker.removeprefix("gw")) + 1
    os.environ |= {
        "REDIS_URL": _numbered(os.environ["REDIS_URL"], number),
        "MILLWRIGHT_HOME": os.fspath(home),
    }


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    _forget_own_settings()
    if worker := os.environ.get(WORKER):
        _join(worker)
    else:
        stack = ExitStack()
        things = stack.enter_context(throwaway())
        early_config.add_cleanup(stack.close)
        own = environment(things)
        given = os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")
        os.environ |= {"MILLWRIGHT_HOME": own["MILLWRIGHT_HOME"]} if given else own
        os.environ |= {} if given else {THROWAWAY: "1"}
        os.environ[SHARED_HOME] = own["MILLWRIGHT_HOME"]
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Trade strength for speed where nothing of ours is under test."""
    from django.conf import settings  # noqa: PLC0415 - the environment must be set first

    Path(settings.STATIC_ROOT).mkdir(exist_ok=True)  # WhiteNoise warns of a missing one
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip browser tests where there is no browser, except where they must run."""
    if item.get_closest_marker("browser") is None or any(map(shutil.which, BROWSERS)):
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI runs the browser tests, and none of {', '.join(BROWSERS)} is installed.")
    pytest.skip("no chromium on this machine: script/test as root installs it")

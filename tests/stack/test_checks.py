import re
from pathlib import Path

import pytest
import redis
from django.core.checks import CheckMessage
from pytest_django import Settings

from portal import checks
from portal.stack import secrets


def ids(messages: object) -> set[str | None]:
    return {message.id for message in messages if isinstance(message, CheckMessage)}  # type: ignore[attr-defined]


def test_debug_on_an_open_address_is_an_error(settings: Settings) -> None:
    settings.BIND, settings.DEBUG = "0.0.0.0:8000", True

    assert "millwright.E001" in ids(checks.check_exposure(None))


def test_debug_on_loopback_is_nobodys_business(settings: Settings) -> None:
    settings.BIND, settings.DEBUG = "127.0.0.1:8000", True

    assert ids(checks.check_exposure(None)) == set()


def test_any_host_is_an_error_and_plain_http_in_the_open_a_warning(
    settings: Settings,
) -> None:
    settings.BIND, settings.ALLOWED_HOSTS = "192.0.2.1:80", ["*"]

    assert ids(checks.check_exposure(None)) == {"millwright.E002", "millwright.W003"}


def test_a_secret_others_can_read_is_an_error(settings: Settings, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    secrets.secret_key(tmp_path)
    assert ids(checks.check_secrets(None)) == set()

    (tmp_path / "secrets" / "secret_key").chmod(0o640)
    assert ids(checks.check_secrets(None)) == {"millwright.E004"}


def test_a_state_folder_that_cannot_be_is_an_error(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.HOME = tmp_path / "file" / "home"

    assert ids(checks.check_storage(None)) == {"millwright.E005"}


@pytest.mark.django_db
def test_the_real_servers_pass_but_for_what_tests_switch_off() -> None:
    assert ids(checks.check_servers(None, databases=["default"])) <= {"millwright.W014"}


def test_an_absent_redis_is_an_error(settings: Settings, tmp_path: Path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"

    assert ids(checks.check_redis()) == {"millwright.E011"}


def test_a_redis_that_evicts_is_an_error(redis_client: redis.Redis) -> None:
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert "millwright.E013" in ids(checks.check_redis())
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")


def test_every_check_has_a_number_of_its_own_and_a_paragraph() -> None:
    source = Path(checks.__file__).read_text()
    calls = re.findall(r"yield _(error|warning)\(\s*(\d+)", source)
    numbers = [f"millwright.{kind[0].upper()}{int(number):03}" for kind, number in calls]
    page = (Path(checks.__file__).parent.parent / "docs" / "operations.md").read_text()

    assert len({number[-3:] for number in numbers}) == len(numbers) >= 15
    assert [number for number in numbers if number not in page] == []

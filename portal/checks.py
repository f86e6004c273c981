"""Numbered system checks: one for each thing the product assumes of its deployment.

``manage.py check`` looks at the settings and folders, ``manage.py check --database default`` also
asks Postgres and Redis. docs/operations.md says what to do about each number.
"""

import ipaddress
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from stat import S_IMODE
from typing import Any

import redis
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError, connections

from portal.lib import clock
from portal.stack import state
from portal.stack.members import Bind

OLDEST_POSTGRES = 15
OLDEST_REDIS = (6, 2)
LEAST_FREE_BYTES = 1 << 30
LARGEST_CLOCK_GAP_S = 2.0
HINT = "See docs/operations.md, section System checks."


def _error(number: int, message: str) -> Error:
    return Error(message, hint=HINT, id=f"millwright.E{number:03}")


def _warning(number: int, message: str) -> CheckWarning:
    return CheckWarning(message, hint=HINT, id=f"millwright.W{number:03}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@register(Tags.security)
def check_exposure(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> Iterator[CheckMessage]:
    """Look for what others on the network could see or pretend."""
    host = Bind.parse(settings.BIND).host
    if settings.DEBUG and not _is_loopback(host):
        yield _error(1, f"MILLWRIGHT_DEBUG is on while the server listens on {host}.")
    if "*" in settings.ALLOWED_HOSTS:
        yield _error(2, "MILLWRIGHT_HOSTS contains *, which lets a visitor choose our name.")
    if not settings.HTTPS and not _is_loopback(host):
        yield _warning(3, f"The server listens on {host} without MILLWRIGHT_HTTPS.")


@register(Tags.security)
def check_secrets(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> Iterator[CheckMessage]:
    """See that files with secrets are for their owner alone."""
    folder = settings.HOME / "secrets"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        mode = S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield _error(4, f"{path} has mode {mode:04o}, others can read it: chmod 600.")


@register(Tags.files)
def check_storage(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> Iterator[CheckMessage]:
    """Try whether the state folder takes files and has room."""
    home = Path(settings.HOME)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            free = shutil.disk_usage(home).free
    except OSError as exc:
        yield _error(5, f"The state folder {home} cannot be written: {exc.strerror}.")
        return
    if free < LEAST_FREE_BYTES:
        yield _warning(6, f"The state folder {home} has {free >> 20} MiB free, less than 1 GiB.")


def check_database(*, alias: str) -> Iterator[CheckMessage]:
    """See that Postgres answers, is new enough, speaks UTF-8 and agrees about the time."""
    connection = connections[alias]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_encoding'), clock_timestamp()")
            encoding, moment = cursor.fetchone()
        version = connection.pg_version  # type: ignore[attr-defined]
    except DatabaseError as exc:
        yield _error(7, f"Postgres does not answer: {exc}. {state.advice(settings.HOME) or ''}")
        return
    if version < OLDEST_POSTGRES * 10_000:
        yield _error(8, f"Postgres is version {version // 10_000}; {OLDEST_POSTGRES} is needed.")
    if encoding != "UTF8":
        yield _error(9, f"The database's encoding is {encoding}; UTF8 is needed.")
    gap_s = abs((clock.now() - moment.astimezone(UTC)).total_seconds())
    if gap_s > LARGEST_CLOCK_GAP_S:
        yield _warning(10, f"Our clock and that of Postgres are {gap_s:.1f} s apart.")


def check_redis() -> Iterator[CheckMessage]:
    """See that Redis answers, is new enough, keeps what it is given and evicts nothing."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, decode_responses=True)
    try:
        version = str(client.info("server")["redis_version"])
        options = _redis_options(client)
    except redis.RedisError as exc:
        yield _error(11, f"Redis does not answer: {exc}. {state.advice(settings.HOME) or ''}")
        return
    finally:
        client.close()
    if tuple(map(int, version.split(".")[:2])) < OLDEST_REDIS:
        yield _error(12, f"Redis is version {version}; 6.2 is needed.")
    if options.get("maxmemory-policy", "noeviction") != "noeviction":
        yield _error(13, f"Redis may evict queued work: {options['maxmemory-policy']}.")
    if options.get("appendonly", "yes") != "yes":
        yield _warning(14, "Redis keeps no append-only file: a crash loses queued work.")


def _redis_options(client: redis.Redis) -> dict[str, str]:
    """Return what Redis tells about its configuration; hosted servers often refuse."""
    try:
        told = client.config_get("maxmemory-policy") | client.config_get("appendonly")
    except redis.ResponseError:
        return {}
    return {str(name): str(value) for name, value in told.items()}


@register(Tags.database)
def check_servers(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None, **_kwargs: Any
) -> Iterator[CheckMessage]:
    """Ask Postgres and Redis, when the caller asks for databases at all."""
    for alias in databases or []:
        yield from check_database(alias=alias)
    if databases:
        yield from check_redis()


@register()
def check_leases(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> Iterator[CheckMessage]:
    """See that a worker has the time to renew a lease even when one renewal is lost."""
    lease, heartbeat = settings.RUN_LEASE_S, settings.RUN_HEARTBEAT_S
    if lease < 2 * heartbeat:
        yield _error(
            16,
            f"MILLWRIGHT_RUN_LEASE_SECONDS={lease} is less than twice "
            f"MILLWRIGHT_RUN_HEARTBEAT_SECONDS={heartbeat}: one late heartbeat would lose a run.",
        )


@register()
def check_traces(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> Iterator[CheckMessage]:
    """See that traces that were asked for can be made."""
    if settings.OTLP_ENDPOINT and not settings.CAN_TRACE:
        yield _warning(
            17,
            "MILLWRIGHT_OTLP_ENDPOINT is set, but the packages of requirements-otel.txt are not "
            "installed: nothing is traced.",
        )


@register(Tags.files)
def check_clock(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> Iterator[CheckMessage]:
    """See that the clock is set: keys, leases and promotions expire by it."""
    newest = datetime.fromtimestamp(Path(__file__).stat().st_mtime, tz=UTC)
    if clock.now() < newest:
        yield _warning(
            15, f"The clock says {clock.now():%Y-%m-%d}, before our own files were made."
        )

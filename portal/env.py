"""Typed readers for environment variables that fail loudly.

A variable that is present but malformed raises :class:`SettingError` with the value seen, the rule
and the way out; a variable that is absent or empty yields the given default.
"""

import ipaddress
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off"}


class SettingError(Exception):
    """An environment variable has a value the product cannot run with."""


class Env:
    """Read settings from one mapping, by default the process environment."""

    def __init__(self, source: Mapping[str, str] | None = None) -> None:
        self.source = os.environ if source is None else source

    def text(self, name: str, default: str = "") -> str:
        return self.source.get(name, "").strip() or default

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.text(name).lower()
        if not value:
            return default
        if value in TRUE_WORDS:
            return True
        if value in FALSE_WORDS:
            return False
        raise SettingError(
            f"{name}={value!r} is not a flag: use one of true, false, 1, 0, yes, no, on, off."
        )

    def integer(
        self, name: str, default: int, *, low: int | None = None, high: int | None = None
    ) -> int:
        value = self.text(name)
        if not value:
            return default
        try:
            number = int(value)
        except ValueError as exc:
            raise SettingError(f"{name}={value!r} is not a whole number.") from exc
        if (low is not None and number < low) or (high is not None and number > high):
            raise SettingError(f"{name}={number} lies outside {low} to {high}.")
        return number

    def words(self, name: str, default: list[str]) -> list[str]:
        value = self.text(name)
        return [word.strip() for word in value.split(",") if word.strip()] if value else default

    def networks(self, name: str, default: list[str]) -> list[str]:
        words = self.words(name, default)
        for word in words:
            try:
                ipaddress.ip_network(word)
            except ValueError as exc:
                raise SettingError(
                    f"{name}: {word!r} is no address or network, as 10.0.0.0/8 is ({exc})."
                ) from exc
        return words

    def secret(self, name: str, *, shortest: int) -> str:
        value = self.text(name)
        if value and len(value) < shortest:
            raise SettingError(
                f"{name} has {len(value)} characters: a secret needs at least {shortest}."
            )
        return value

    def content(self, name: str) -> Callable[[], str]:
        """Return a function that reads the file a variable names, each time it is called."""
        given = self.text(name)

        def read() -> str:
            try:
                return Path(given).read_text().strip() if given else ""
            except OSError as exc:
                raise SettingError(f"{name}={given!r} cannot be read: {exc.strerror}.") from exc

        return read

    def path(self, name: str, default: Path) -> Path:
        value = self.text(name)
        if not value:
            return default
        path = Path(value).expanduser()
        if not path.is_absolute():
            raise SettingError(f"{name}={value!r} is a relative path: give an absolute one.")
        return path

    def choice(self, name: str, default: str, allowed: set[str]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise SettingError(f"{name}={value!r} is not one of {', '.join(sorted(allowed))}.")
        return value


def postgres_options(url: str) -> dict[str, object]:
    """Django's DATABASES entry for a ``postgresql://`` URL, sockets included.

    The host may be in the query (``postgresql://user:pw@/name?host=/run/pg``); other query items
    become libpq options.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise SettingError(
            f"DATABASE_URL must start with postgresql:// (scheme seen: {parts.scheme!r})."
        )
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise SettingError("DATABASE_URL names no database: end it with /NAME.")
    options: dict[str, object] = dict(parse_qsl(parts.query))
    host = options.pop("host", parts.hostname or "")
    port = options.pop("port", parts.port or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port),
        "OPTIONS": options,
    }

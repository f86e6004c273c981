from pathlib import Path

import pytest

from portal.env import Env, SettingError, postgres_options


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("YES", True), ("off", False), ("", True)]
)
def test_a_flag_reads_the_usual_words(text: str, value: bool) -> None:
    assert Env({"X": text}).flag("X", default=True) is value


@pytest.mark.parametrize(
    ("source", "read", "part"),
    [
        ({"X": "perhaps"}, lambda env: env.flag("X", default=True), "'perhaps' is not a flag"),
        ({"X": "4.5"}, lambda env: env.integer("X", 1), "not a whole number"),
        ({"X": "0"}, lambda env: env.integer("X", 1, low=1), "X=0 lies outside 1 to"),
        ({"X": "var"}, lambda env: env.path("X", Path("/")), "relative path"),
        ({"X": "10.0.0.1/8"}, lambda env: env.networks("X", []), "no address or network"),
        ({"X": "short"}, lambda env: env.secret("X", shortest=16), "at least 16"),
        ({"X": "loud"}, lambda env: env.choice("X", "INFO", {"INFO"}), "not one of INFO"),
    ],
)
def test_a_malformed_value_is_named_with_its_rule(source, read, part) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SettingError, match=part):
        read(Env(source))


def test_an_empty_variable_counts_as_absent() -> None:
    assert Env({"X": "  "}).integer("X", 7) == 7


def test_a_postgres_url_may_name_a_socket_folder() -> None:
    options = postgres_options("postgresql://me:s%40crèt@/name?host=/run/pg&connect_timeout=3")

    assert options["HOST"] == "/run/pg"
    assert options["PASSWORD"] == "s@crèt"
    assert options["OPTIONS"] == {"connect_timeout": "3"}


@pytest.mark.parametrize(
    ("url", "part"),
    [("mysql://h/x", "must start with postgresql"), ("postgresql://h/", "names no database")],
)
def test_another_database_url_is_refused(url: str, part: str) -> None:
    with pytest.raises(SettingError, match=part):
        postgres_options(url)

"""Fixtures of objectives: people who are signed in."""

from tests.console.conftest import person, signed_in

__all__ = ["person", "signed_in"]

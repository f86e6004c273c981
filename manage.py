#!/usr/bin/env python
"""Command-line entry point for administrative tasks."""

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import OperationalError
from redis import ConnectionError as RedisConnectionError

from portal import terminal
from portal.stack import state


def main() -> None:
    """Run a management command; say how to start the database when that is what is missing."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    terminal.prepare(sys.argv, os.environ)
    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, RedisConnectionError):
        advice = state.advice(settings.HOME)
        if advice is None:
            raise
        sys.exit(advice)


if __name__ == "__main__":
    main()

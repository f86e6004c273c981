import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from portal.runs.management import console
from tuning.engine.live.instance import Instance
from tuning.services import forecasts, instances
from tuning.services.instances import About
from tuning.services.sidecar import OtherPortal, OwnDatabase, Place, Refusal, Sidecar


class Command(BaseCommand):
    help = (
        "Watch a running RocksDB every second through its folder: LOG, OPTIONS, statistics and "
        "its process. Until stopped; a database that is not there yet is waited for."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", metavar="FOLDER", help="Of the database.")
        parser.add_argument("--name", default="", help="Of the instance; else host and folder.")
        parser.add_argument("--log", metavar="FILE", help="Its LOG, where it lies elsewhere.")
        parser.add_argument(
            "--statistics", metavar="FILE", help="Written again and again by the engine's program."
        )
        parser.add_argument("--pid", type=int, help="Else the process that holds its lock.")
        parser.add_argument(
            "--workload", default="", help="Such as put-heavy: its rate is predicted beside."
        )
        parser.add_argument(
            "--send-readings",
            action="store_true",
            help="Hold the options that are live to its rates, under --workload; only for an "
            "engine that is asked for all it can give.",
        )
        parser.add_argument("--portal", metavar="URL", help="A portal on another host.")
        parser.add_argument("--key-file", metavar="FILE", help="With a key of the scope tune.")
        parser.add_argument("--seconds", type=float, help="Stop after so long.")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(options["folder"]).absolute()
        place = _place(options["portal"], options["key_file"])
        watched = Instance(
            folder,
            log=_path(options["log"]),
            statistics=_path(options["statistics"]),
            pid=options["pid"],
        )
        about = About(
            host=socket.gethostname()[:120],
            folder=str(folder)[:500],
            workload=options["workload"],
            sends_readings=options["send_readings"],
        )
        name = options["name"] or _named(about)
        with console.plain_errors():
            instances.require_name(name)
            forecasts.require(about.workload, is_needed=about.sends_readings)
        self.stdout.write(
            _("Watching %(folder)s as “%(name)s”.") % {"folder": folder, "name": name}
        )
        try:
            with _stopped_by_signals() as stop:
                Sidecar(name, watched, place, about).run(stop, options["seconds"])
        except Refusal as exc:
            raise CommandError(str(exc)) from exc


@contextmanager
def _stopped_by_signals() -> Iterator[Event]:
    """Give an event that a signal sets, while the block lasts."""
    stop = Event()
    before = {
        number: signal.signal(number, lambda *_seen: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _place(url: str | None, key_file: str | None) -> Place:
    if url is None:
        return OwnDatabase()
    if key_file is None:
        raise CommandError(_("A portal on another host asks for a key: give --key-file."))
    try:
        key = Path(key_file).read_text().strip()
    except OSError as exc:
        raise CommandError(
            _("The file %(file)s cannot be read: %(reason)s.")
            % {"file": key_file, "reason": exc.strerror}
        ) from exc
    return OtherPortal(url, key)


def _path(given: str | None) -> Path | None:
    return None if given is None else Path(given).absolute()


def _named(about: About) -> str:
    """Return host and folder as one name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{about.host}{about.folder}").strip("-._")[:100]

import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from predictions.services import recorder
from predictions.services.shadows import Shadows


class Command(BaseCommand):
    help = (
        "Write answered predictions from the Redis stream into the table until stopped, and score "
        "them by the version in the shadow. "
        "Any number may run; one is enough for thousands a second."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", default="", help="Name of this consumer (host and process).")
        parser.add_argument(
            "--retry-dead",
            action="store_true",
            help="Put entries that were set aside back into the stream, then end.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["retry_dead"]:
            self.stdout.write(f"{recorder.retry_dead()} entries put back.")
            return
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        shadows = Shadows()
        shadows.start(stop)
        recorder.Recorder(options["name"], shadows.came_late).run(stop)
        shadows.join()

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from portal.runs.management import following
from predictions import dispatch
from predictions.management import console


class Command(BaseCommand):
    help = "Retrain a model on the latest labelled shots and say what became of it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", help="Such as diecasting-quality.")
        parser.add_argument("--reason", default="", help="Why; the promotion request repeats it.")
        parser.add_argument("--params", default="{}", help="Training parameters as a JSON object.")
        parser.add_argument(
            "--force", action="store_true", help="Train although nothing, or too little, is new."
        )
        parser.add_argument(
            "--no-wait", action="store_true", help="Start the retraining and end at once."
        )
        console.add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        screen = console.console(self.stdout)
        with console.plain_errors():
            actor = console.actor(options["user"])
            run = dispatch.retrain(
                actor=actor,
                model_name=options["model"],
                reason=options["reason"],
                params=_json_object(options["params"]),
                force=options["force"],
            )
            screen.print(
                _("Run %(run)s: %(title)s.") % {"run": run.pk, "title": run.title}, markup=False
            )
            if options["no_wait"]:
                return
            run = following.follow(run, screen, actor)
        screen.print(run.result["reason"], markup=False)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise CommandError(
            _("--params is no JSON (%(reason)s); write it as '{\"n_estimators\": 300}'.")
            % {"reason": exc}
        ) from exc
    if not isinstance(value, dict):
        raise CommandError(_("--params must be a JSON object of names and values."))
    return value

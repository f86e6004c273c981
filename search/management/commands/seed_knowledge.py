from typing import Any

from django.core.management.base import BaseCommand

from portal.runs.management import console, following
from search import dispatch
from search.services import knowledge


class Command(BaseCommand):
    help = (
        "Import the knowledge base that ships with the product into the collection “knowledge”, "
        "and have its index built. What was imported once is not imported again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with console.plain_errors():
            collection = knowledge.ensure()
            knowledge.ensure_judgements(collection)
            if knowledge.is_imported(collection):
                self.stdout.write("The knowledge base was imported before: there is nothing to do.")
                return
            run = dispatch.import_folder(
                collection=collection,
                folder=knowledge.FOLDER,
                actor=knowledge.ACTOR,
                pattern="*.md",
            )
            following.follow(run, console.console(self.stdout), knowledge.ACTOR)
        self.stdout.write("The knowledge base is imported; its index is being built.")

from django.db import migrations

from portal.core import roles

MODELS = ("collection", "document", "judgedquery", "relevancecheck", "searchrecord", "click")
VIEW = [f"search.view_{name}" for name in MODELS]
WORK = [
    *VIEW,
    "search.add_collection",
    "search.change_collection",
    "search.add_document",
    "search.change_document",
    "search.delete_document",
    "search.import_document",
    "search.build_index",
    "search.add_judgedquery",
    "search.change_judgedquery",
    "search.delete_judgedquery",
]
ADMINISTER = [*WORK, "search.delete_collection"]


def give(apps, schema_editor):
    roles.grant(apps, roles.VIEWER, VIEW)
    roles.grant(apps, roles.APPROVER, VIEW)
    roles.grant(apps, roles.OPERATOR, WORK)
    roles.grant(apps, roles.ADMINISTRATOR, ADMINISTER)


class Migration(migrations.Migration):
    dependencies = [
        ("search", "0001_initial"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]

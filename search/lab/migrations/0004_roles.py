from django.db import migrations

from portal.core import roles

VIEW = ["lab.view_campaign", "lab.view_cellresult"]
WORK = [*VIEW, "lab.add_campaign", "lab.change_campaign"]


def give(apps, schema_editor):
    roles.grant(apps, roles.VIEWER, VIEW)
    roles.grant(apps, roles.APPROVER, VIEW)
    roles.grant(apps, roles.OPERATOR, WORK)
    roles.grant(apps, roles.ADMINISTRATOR, WORK)


class Migration(migrations.Migration):
    dependencies = [
        ("lab", "0003_corpus"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]

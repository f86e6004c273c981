from django.db import migrations

from portal.core import roles

VIEW = ["predictions.view_explanation"]


def give(apps, schema_editor):
    for role in (roles.VIEWER, roles.OPERATOR, roles.APPROVER, roles.ADMINISTRATOR):
        roles.grant(apps, role, VIEW)


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0005_explanation"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]

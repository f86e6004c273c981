from django.db import migrations

from portal.core import roles

VIEW = ["predictions.view_outcome"]
REPORT = [*VIEW, "predictions.add_outcome"]


def give(apps, schema_editor):
    roles.grant(apps, roles.VIEWER, VIEW)
    roles.grant(apps, roles.APPROVER, VIEW)
    roles.grant(apps, roles.OPERATOR, REPORT)
    roles.grant(apps, roles.ADMINISTRATOR, REPORT)


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0007_outcome"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]

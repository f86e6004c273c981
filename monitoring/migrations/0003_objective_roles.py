from django.db import migrations

from portal.core import roles

SEEN = ["monitoring.view_objective", "monitoring.view_measurement"]


def grant(apps, schema_editor):
    for role in roles.ROLES:
        roles.grant(apps, role, SEEN)
    roles.grant(apps, roles.ADMINISTRATOR, ["monitoring.change_objective"])


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0002_objectives"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]

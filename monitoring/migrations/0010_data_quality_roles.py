from django.db import migrations

from portal.core import roles

SEEN = [
    "monitoring.view_expectation",
    "monitoring.view_qualitywindow",
    "monitoring.view_quarantinedrow",
]


def grant(apps, schema_editor):
    for role in roles.ROLES:
        roles.grant(apps, role, SEEN)
    roles.grant(apps, roles.ADMINISTRATOR, ["monitoring.change_expectation"])


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0009_data_quality"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]

"""Administrators see and remove links of chat accounts; everybody links their own."""

from django.db import migrations

from portal.core import roles


def grant(apps, schema_editor):
    for role in roles.ROLES:
        roles.grant(apps, role, ["monitoring.view_pulse"])
    roles.grant(
        apps,
        roles.ADMINISTRATOR,
        ["monitoring.view_chataccount", "monitoring.delete_chataccount"],
    )


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0011_alert_answers"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]

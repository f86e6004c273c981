"""Whoever may look may read what happened."""

from django.db import migrations

from portal.core import roles


def grant(apps, schema_editor):
    for role in roles.ROLES:
        roles.grant(apps, role, ["core.view_notice"])


class Migration(migrations.Migration):
    dependencies = [("core", "0004_notice")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]

from django.db import migrations

from portal.core import roles

VIEW = ["monitoring.view_querywatch"]


def give(apps, schema_editor):
    for role in (roles.VIEWER, roles.APPROVER, roles.OPERATOR, roles.ADMINISTRATOR):
        roles.grant(apps, role, VIEW)


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0013_query_watches")]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]

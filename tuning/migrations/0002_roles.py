from django.db import migrations

from portal.core import roles

VIEW = ["tuning.view_study", "tuning.view_trial"]
WORK = [*VIEW, "tuning.add_study", "tuning.change_study"]


def give(apps, schema_editor):
    roles.grant(apps, roles.VIEWER, VIEW)
    roles.grant(apps, roles.APPROVER, VIEW)
    roles.grant(apps, roles.OPERATOR, WORK)
    roles.grant(apps, roles.ADMINISTRATOR, [*WORK, "tuning.delete_study"])


class Migration(migrations.Migration):
    dependencies = [
        ("tuning", "0001_initial"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]

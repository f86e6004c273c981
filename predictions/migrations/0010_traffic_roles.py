from django.db import migrations

from portal.core import roles

VIEW = ["predictions.view_trafficsplit", "predictions.view_shadowscore"]
PREDICT = [*VIEW, "predictions.predict_file"]
SPLIT = ["predictions.split_traffic"]


def give(apps, schema_editor):
    roles.grant(apps, roles.VIEWER, VIEW)
    roles.grant(apps, roles.APPROVER, VIEW + SPLIT)
    roles.grant(apps, roles.OPERATOR, PREDICT)
    roles.grant(apps, roles.ADMINISTRATOR, PREDICT + SPLIT)


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0009_traffic"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]

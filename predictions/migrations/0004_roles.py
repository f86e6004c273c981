from django.db import migrations

from portal.core import roles

VIEW = ["predictions.view_dataset", "predictions.view_prediction"]
OPERATE = [
    *VIEW,
    "predictions.add_dataset",
    "predictions.change_dataset",
    "predictions.import_dataset",
    "predictions.train_model",
]


def give(apps, schema_editor):
    roles.grant(apps, roles.VIEWER, VIEW)
    roles.grant(apps, roles.APPROVER, VIEW)
    roles.grant(apps, roles.OPERATOR, OPERATE)
    roles.grant(apps, roles.ADMINISTRATOR, OPERATE)


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0003_content_once_and_latent"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]

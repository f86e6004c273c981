from django.db import migrations

from portal.core import roles

VIEW = ["predictions.view_routingprediction", "predictions.view_routingoutcome"]
DECIDE = [*VIEW, "predictions.add_routingoutcome"]


def give(apps, schema_editor):
    roles.grant(apps, roles.VIEWER, VIEW)
    roles.grant(apps, roles.APPROVER, VIEW)
    roles.grant(apps, roles.OPERATOR, DECIDE)
    roles.grant(apps, roles.ADMINISTRATOR, DECIDE)


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0013_routing_predictions"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]

from django.db import migrations

from portal.core import roles

VIEW = [
    "monitoring.view_driftwindow",
    "monitoring.view_driftevent",
    "monitoring.view_driftpolicy",
    "monitoring.view_retrainingproposal",
]
OPERATE = [
    *VIEW,
    "monitoring.acknowledge_drift",
    "monitoring.reset_drift",
    "monitoring.settle_retraining",
]
ADMINISTER = [*OPERATE, "monitoring.change_driftpolicy"]


def give(apps, schema_editor):
    roles.grant(apps, roles.VIEWER, VIEW)
    roles.grant(apps, roles.APPROVER, VIEW)
    roles.grant(apps, roles.OPERATOR, OPERATE)
    roles.grant(apps, roles.ADMINISTRATOR, ADMINISTER)


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0005_arrivals"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]

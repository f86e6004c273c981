"""Everybody may see who is told of what; administrators decide it."""

from django.db import migrations

from portal.core import roles

MODELS = ("alertrule", "channel", "silence", "delivery", "firing")
DECIDED = {
    "alertrule": ("add", "change", "delete"),
    "channel": ("add", "change", "delete"),
    "silence": ("add", "change"),
}


def grant(apps, schema_editor):
    for role in roles.ROLES:
        roles.grant(apps, role, [f"monitoring.view_{model}" for model in MODELS])
    roles.grant(
        apps,
        roles.ADMINISTRATOR,
        [f"monitoring.{verb}_{model}" for model, verbs in DECIDED.items() for verb in verbs],
    )


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0007_alerting"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]

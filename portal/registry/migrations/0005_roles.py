"""What each role may do in the registry. Break-glass is in none: it is granted by name."""

from django.db import migrations

from portal.core import roles

VIEW = [
    f"registry.view_{model}"
    for model in (
        "registeredmodel",
        "evaluationset",
        "modelversion",
        "versionartifact",
        "aliasassignment",
        "aliasmove",
        "gateevaluation",
        "promotionrequest",
        "promotiondecision",
    )
]
OPERATE = ["registry.request_promotion"]
APPROVE = ["registry.approve_promotion", "registry.apply_promotion", "registry.rollback_model"]
ADMINISTER = ["registry.change_registeredmodel"]


def grant(apps, schema_editor):
    roles.grant(apps, roles.VIEWER, VIEW)
    roles.grant(apps, roles.OPERATOR, VIEW + OPERATE)
    roles.grant(apps, roles.APPROVER, VIEW + APPROVE)
    roles.grant(apps, roles.ADMINISTRATOR, VIEW + OPERATE + APPROVE + ADMINISTER)


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0004_guards"),
        ("core", "0003_roles_and_audit_guards"),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]

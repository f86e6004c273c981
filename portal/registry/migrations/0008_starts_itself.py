"""The first version of a model that starts itself may go live without a promotion."""

from django.db import migrations, models


def bootstrap_rule(may_start):
    """Return the rule of all moves; `may_start` says which version may start a model."""
    from importlib import import_module

    rules = import_module("portal.registry.migrations.0004_guards").ALIASES
    body = rules[
        rules.index("CREATE FUNCTION registry_check_move") : rules.index(
            "CREATE TRIGGER registry_aliasmove_check"
        )
    ]
    changed = body.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace(
        "NOT target.is_synthetic OR", f"NOT ({may_start}) OR"
    )
    assert changed.count(may_start) == 1
    return changed


ITSELF = """target.is_synthetic OR EXISTS (
        SELECT FROM registry_registeredmodel WHERE id = NEW.model_id AND starts_itself)"""


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0007_automatic_promotion"),
    ]

    operations = [
        migrations.AddField(
            model_name="registeredmodel",
            name="starts_itself",
            field=models.BooleanField(
                default=False,
                help_text="Where there was nothing before, nothing can become worse.",
                verbose_name="first version goes live by itself",
            ),
        ),
        migrations.RunSQL(
            bootstrap_rule(ITSELF), reverse_sql=bootstrap_rule("target.is_synthetic")
        ),
    ]

"""TRUNCATE passes row triggers by; evidence and aliases are kept from it as well."""

from django.db import migrations

TABLES = [
    "registry_evaluationset",
    "registry_modelversion",
    "registry_versionartifact",
    "registry_aliasassignment",
    "registry_aliasmove",
    "registry_gateevaluation",
    "registry_promotionrequest",
    "registry_promotiondecision",
]


class Migration(migrations.Migration):
    dependencies = [("registry", "0005_roles")]

    operations = [
        migrations.RunSQL(
            [
                f"CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION registry_refuse_delete();"
                for table in TABLES
            ],
            reverse_sql=[f"DROP TRIGGER {table}_whole ON {table};" for table in TABLES],
        ),
    ]

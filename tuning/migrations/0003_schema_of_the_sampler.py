from django.db import migrations


class Migration(migrations.Migration):
    """Make room beside the portal's tables for those that the sampler makes itself."""

    dependencies = [("tuning", "0002_roles")]

    operations = [
        migrations.RunSQL(
            "CREATE SCHEMA IF NOT EXISTS optuna", "DROP SCHEMA IF EXISTS optuna CASCADE"
        )
    ]

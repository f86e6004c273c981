from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lab", "0004_roles")]

    operations = [
        migrations.AddField(
            "campaign",
            "n_passes",
            models.PositiveSmallIntegerField(default=5, verbose_name="passes of a cell"),
        )
    ]

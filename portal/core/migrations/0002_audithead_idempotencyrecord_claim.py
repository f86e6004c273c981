import uuid

from django.db import migrations, models

import portal.lib.clock


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.BigIntegerField(default=0)),
                ("digest", models.CharField(blank=True, max_length=64)),
                ("seal", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "verbose_name": "end of the audit log",
                "verbose_name_plural": "end of the audit log",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(condition=models.Q(id=1), name="core_audit_one_head")
                ],
            },
        ),
        migrations.AddField(
            model_name="idempotencyrecord",
            name="claim",
            field=models.UUIDField(default=uuid.uuid4),
        ),
        migrations.AddField(
            model_name="idempotencyrecord",
            name="claimed_at",
            field=models.DateTimeField(default=portal.lib.clock.now),
        ),
    ]

from django.db import migrations

from portal.core import roles

VIEW = [
    "runs.view_run",
    "runs.view_runevent",
    "runs.view_artifact",
    "runs.view_runartifact",
    "runs.view_schedule",
    "runs.view_scheduleslot",
    "runs.view_heartbeat",
    "django_celery_beat.view_periodictask",
    "django_celery_beat.view_crontabschedule",
    "django_celery_beat.view_intervalschedule",
]
OPERATE = [
    "runs.cancel_run",
    "runs.retry_run",
    "runs.change_schedule",
    "django_celery_beat.change_periodictask",
    "django_celery_beat.add_crontabschedule",
    "django_celery_beat.add_intervalschedule",
]


def grant(apps, schema_editor):
    for role in roles.ROLES:
        roles.grant(apps, role, VIEW)
    for role in (roles.OPERATOR, roles.ADMINISTRATOR):
        roles.grant(apps, role, OPERATE)


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0003_schedules_and_overlap"),
        ("core", "0003_roles_and_audit_guards"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]

"""The four roles, and triggers that keep the audit log as it was written."""

from django.db import migrations

from portal.core import audit_chain, roles

GUARDS = """
CREATE FUNCTION core_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is append-only: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION core_audit_head_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.number < OLD.number THEN
        RAISE EXCEPTION 'The end of the audit log moves forward only: % after % is refused.',
            NEW.number, OLD.number USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER core_audit_keep_rows BEFORE UPDATE OR DELETE ON core_auditentry
    FOR EACH ROW EXECUTE FUNCTION core_audit_refuse();
CREATE TRIGGER core_audit_keep_table BEFORE TRUNCATE ON core_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION core_audit_refuse();
CREATE TRIGGER core_audit_keep_head BEFORE DELETE ON core_audithead
    FOR EACH ROW EXECUTE FUNCTION core_audit_refuse();
CREATE TRIGGER core_audit_head_forward BEFORE UPDATE ON core_audithead
    FOR EACH ROW EXECUTE FUNCTION core_audit_head_forward();
CREATE TRIGGER core_audit_keep_head_table BEFORE TRUNCATE ON core_audithead
    FOR EACH STATEMENT EXECUTE FUNCTION core_audit_refuse();
"""

NO_GUARDS = """
DROP TRIGGER core_audit_keep_rows ON core_auditentry;
DROP TRIGGER core_audit_keep_table ON core_auditentry;
DROP TRIGGER core_audit_keep_head ON core_audithead;
DROP TRIGGER core_audit_head_forward ON core_audithead;
DROP TRIGGER core_audit_keep_head_table ON core_audithead;
DROP FUNCTION core_audit_refuse();
DROP FUNCTION core_audit_head_forward();
"""

VIEW = ["core.view_alert", "core.view_auditentry"]
ADMINISTER = [
    *(f"core.{action}_user" for action in ("view", "add", "change")),
    *(f"auth.{action}_group" for action in ("view", "add", "change", "delete")),
    *(f"core.{action}_apikey" for action in ("view", "add", "change")),
    "core.change_alert",
]


def create_roles(apps, schema_editor):
    for role in roles.ROLES:
        roles.grant(apps, role, VIEW)
    roles.grant(apps, roles.ADMINISTRATOR, ADMINISTER)


def seal_empty_log(apps, schema_editor):
    apps.get_model("core", "AuditHead").objects.create(
        id=1, number=0, digest=audit_chain.GENESIS, seal=audit_chain.seal_of(0, audit_chain.GENESIS)
    )


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0002_audithead_idempotencyrecord_claim"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunPython(create_roles, migrations.RunPython.noop),
        migrations.RunPython(seal_empty_log, migrations.RunPython.noop),
        migrations.RunSQL(GUARDS, NO_GUARDS),
    ]

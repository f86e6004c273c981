"""The portal may ask in nobody's name, and apply where a model's policy allows it; only what passed."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# A request applies itself when the portal made it, its gate passed, and the policy said so both when
# the version was judged and now.
AUTOMATIC = """
CREATE FUNCTION registry_applies_itself(wanted uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM registry_promotionrequest AS request
        JOIN registry_gateevaluation AS gate ON gate.id = request.gate_id
        JOIN registry_registeredmodel AS model ON model.id = request.model_id
        WHERE request.id = wanted AND request.requested_by_id IS NULL AND gate.outcome = 'passed'
          AND model.gate_policy -> 'auto_apply' = 'true'::jsonb
          AND gate.report #> '{policy,auto_apply}' = 'true'::jsonb)
$$;

CREATE FUNCTION registry_check_requester() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.requested_by_id IS NULL AND NOT EXISTS (
        SELECT FROM registry_gateevaluation WHERE id = NEW.gate_id AND outcome = 'passed') THEN
        RAISE EXCEPTION 'only a version that passed is asked for in nobody''s name'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER registry_promotionrequest_requester BEFORE INSERT ON registry_promotionrequest
    FOR EACH ROW EXECUTE FUNCTION registry_check_requester();
"""

NOT_AUTOMATIC = """
DROP FUNCTION registry_check_requester() CASCADE;
DROP FUNCTION registry_applies_itself(uuid);
"""


def state_check(approved, directly):
    """Return the rule of a request's states; `directly` says when an open one may be applied."""
    return f"""
CREATE OR REPLACE FUNCTION registry_check_request_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF OLD.state NOT IN ('open', 'approved') OR NEW.state = 'open'
       OR (OLD.state = 'open' AND NEW.state = 'applied'{directly}) THEN
        RAISE EXCEPTION 'a request that is % cannot become %', OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state IN ('approved', 'applied') AND NOT {approved} THEN
        RAISE EXCEPTION 'request % has no approval of its digest', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""


def automatic_move():
    """Return the rule of a move that nobody approved, beside those of all moves."""
    return """
CREATE FUNCTION registry_check_automatic_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind <> 'automatic' THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (
        SELECT FROM registry_promotionrequest
        WHERE id = NEW.promotion_id AND model_id = NEW.model_id AND candidate_id = NEW.to_version_id
          AND champion_id IS NOT DISTINCT FROM NEW.from_version_id
          AND state = 'applied' AND registry_applies_itself(id)) THEN
        RAISE EXCEPTION 'no request that may apply itself stands behind this move'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (SELECT FROM registry_aliasmove WHERE promotion_id = NEW.promotion_id) THEN
        RAISE EXCEPTION 'request % was used before', NEW.promotion_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER registry_aliasmove_check_automatic BEFORE INSERT ON registry_aliasmove
    FOR EACH ROW EXECUTE FUNCTION registry_check_automatic_move();
"""


ITSELF = "registry_applies_itself(NEW.id)"
APPROVED = "registry_is_approved(NEW.id)"


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0006_whole_tables'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='aliasmove',
            name='registry_move_names_its_request',
        ),
        migrations.AlterField(
            model_name='aliasmove',
            name='kind',
            field=models.CharField(choices=[('bootstrap', 'First version'), ('promotion', 'Promotion'), ('automatic', 'Automatic promotion'), ('rollback', 'Rollback'), ('break_glass', 'Break-glass'), ('assignment', 'Assignment')], max_length=20, verbose_name='kind'),
        ),
        migrations.AlterField(
            model_name='promotionrequest',
            name='requested_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='promotion_requests', to=settings.AUTH_USER_MODEL, verbose_name='requested by'),
        ),
        migrations.AddConstraint(
            model_name='aliasmove',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ['promotion', 'automatic']), ('promotion__isnull', False)), models.Q(models.Q(('kind__in', ['promotion', 'automatic']), _negated=True), ('promotion__isnull', True)), _connector='OR'), name='registry_move_names_its_request'),
        ),
        migrations.RunSQL(
            [
                AUTOMATIC,
                state_check(f"({APPROVED} OR {ITSELF})", f" AND NOT {ITSELF}"),
                automatic_move(),
            ],
            reverse_sql=[
                "DROP FUNCTION registry_check_automatic_move() CASCADE;",
                state_check(APPROVED, ""),
                NOT_AUTOMATIC,
            ],
        ),
    ]

"""What the services promise, held by the database too: evidence never changes, aliases follow the history."""

from django.db import migrations

# What a row may still change; everything else in it is evidence.
CHANGEABLE = {
    "registry_evaluationset": [],
    "registry_modelversion": ["state", "state_reason"],
    "registry_versionartifact": [],
    "registry_aliasmove": [],
    "registry_gateevaluation": [],
    "registry_promotionrequest": ["state", "state_reason", "closed_at"],
    "registry_promotiondecision": [],
}

FROZEN = """
CREATE FUNCTION registry_refuse_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - COALESCE(TG_ARGV, '{}') IS DISTINCT FROM to_jsonb(OLD) - COALESCE(TG_ARGV, '{}') THEN
        RAISE EXCEPTION '% is evidence: a row is never changed once it is written', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION registry_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is evidence: a row is never deleted', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

-- The files of a version go only when retention has marked the version as removed.
CREATE FUNCTION registry_refuse_artifact_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM registry_modelversion WHERE id = OLD.version_id AND state = 'removed') THEN
        RAISE EXCEPTION 'version % still needs its file %', OLD.version_id, OLD.name
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
"""

STATES = """
CREATE FUNCTION registry_check_version_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    PERFORM FROM registry_registeredmodel WHERE id = NEW.model_id FOR NO KEY UPDATE;
    IF OLD.state = 'removed' THEN
        RAISE EXCEPTION 'version % was removed by retention; its files are gone', OLD.number
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state <> 'ready'
       AND EXISTS (SELECT FROM registry_aliasassignment WHERE version_id = NEW.id) THEN
        RAISE EXCEPTION 'an alias points at version %: move the alias first', NEW.number
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state = 'removed' AND EXISTS (
        SELECT FROM registry_promotionrequest
        WHERE state IN ('open', 'approved') AND NEW.id IN (candidate_id, champion_id)) THEN
        RAISE EXCEPTION 'a promotion request refers to version %', NEW.number
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER registry_modelversion_state BEFORE UPDATE ON registry_modelversion
    FOR EACH ROW EXECUTE FUNCTION registry_check_version_state();

-- An approval that counts: of the very digest, by neither the requester nor whoever launched the run.
CREATE FUNCTION registry_is_approved(wanted uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM registry_promotiondecision AS decision
        JOIN registry_promotionrequest AS request ON request.id = decision.request_id
        WHERE request.id = wanted AND decision.verdict = 'approve' AND decision.digest = request.digest)
$$;

CREATE FUNCTION registry_check_request_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF OLD.state NOT IN ('open', 'approved') OR NEW.state = 'open'
       OR (OLD.state = 'open' AND NEW.state = 'applied') THEN
        RAISE EXCEPTION 'a request that is % cannot become %', OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state IN ('approved', 'applied') AND NOT registry_is_approved(NEW.id) THEN
        RAISE EXCEPTION 'request % has no approval of its digest', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER registry_promotionrequest_state BEFORE UPDATE ON registry_promotionrequest
    FOR EACH ROW EXECUTE FUNCTION registry_check_request_state();

CREATE FUNCTION registry_check_decision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    request registry_promotionrequest;
BEGIN
    SELECT * INTO request FROM registry_promotionrequest WHERE id = NEW.request_id FOR SHARE;
    IF request.state NOT IN ('open', 'approved') THEN
        RAISE EXCEPTION 'request % is %: nothing is left to decide', request.id, request.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.digest <> request.digest THEN
        RAISE EXCEPTION 'the decision names another digest than request %', request.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.decided_by_id = request.requested_by_id
       OR (NEW.verdict = 'approve'
           AND request.evidence #> '{lineage,launcher_ids}' @> to_jsonb(NEW.decided_by_id)) THEN
        RAISE EXCEPTION 'account % asked for this promotion or launched its run', NEW.decided_by_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER registry_promotiondecision_check BEFORE INSERT ON registry_promotiondecision
    FOR EACH ROW EXECUTE FUNCTION registry_check_decision();
"""

ALIASES = """
-- A move must start where the alias points, lead to a usable version of the same model and, for the
-- champion, rest on what its kind asks for. The model's row is the lock of all moves of that model.
CREATE FUNCTION registry_check_move() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    here bigint;
    target registry_modelversion;
BEGIN
    PERFORM FROM registry_registeredmodel WHERE id = NEW.model_id FOR NO KEY UPDATE;
    SELECT version_id INTO here FROM registry_aliasassignment
        WHERE model_id = NEW.model_id AND alias = NEW.alias;
    IF NEW.from_version_id IS DISTINCT FROM here THEN
        RAISE EXCEPTION 'the % points at version row % and not at %', NEW.alias, here, NEW.from_version_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.to_version_id IS NULL THEN
        RETURN NEW;
    END IF;
    SELECT * INTO target FROM registry_modelversion WHERE id = NEW.to_version_id FOR SHARE;
    IF target.model_id <> NEW.model_id OR target.state <> 'ready' THEN
        RAISE EXCEPTION 'version row % is % or belongs to another model', target.id, target.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.kind = 'promotion' AND NOT EXISTS (
        SELECT FROM registry_promotionrequest
        WHERE id = NEW.promotion_id AND model_id = NEW.model_id AND candidate_id = NEW.to_version_id
          AND champion_id IS NOT DISTINCT FROM NEW.from_version_id
          AND state = 'applied' AND registry_is_approved(id)) THEN
        RAISE EXCEPTION 'no applied request stands behind this promotion'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.kind = 'promotion' AND EXISTS (
        SELECT FROM registry_aliasmove WHERE promotion_id = NEW.promotion_id) THEN
        RAISE EXCEPTION 'request % was used before', NEW.promotion_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.kind = 'bootstrap' AND (NOT target.is_synthetic OR EXISTS (
        SELECT FROM registry_aliasmove WHERE model_id = NEW.model_id AND alias = 'champion')) THEN
        RAISE EXCEPTION 'only a synthetic version may start a model that never had a champion'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.kind = 'rollback' AND NOT EXISTS (
        SELECT FROM registry_aliasmove WHERE model_id = NEW.model_id AND alias = 'champion'
          AND to_version_id = NEW.to_version_id) THEN
        RAISE EXCEPTION 'version row % was never champion: there is nothing to go back to', target.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER registry_aliasmove_check BEFORE INSERT ON registry_aliasmove
    FOR EACH ROW EXECUTE FUNCTION registry_check_move();

-- Where an alias points is the last line of its history, so the history writes it.
CREATE FUNCTION registry_follow_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.to_version_id IS NULL THEN
        DELETE FROM registry_aliasassignment WHERE model_id = NEW.model_id AND alias = NEW.alias;
    ELSE
        INSERT INTO registry_aliasassignment (model_id, alias, version_id, since)
            VALUES (NEW.model_id, NEW.alias, NEW.to_version_id, NEW.at)
            ON CONFLICT (model_id, alias)
            DO UPDATE SET version_id = EXCLUDED.version_id, since = EXCLUDED.since;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER registry_aliasmove_follow AFTER INSERT ON registry_aliasmove
    FOR EACH ROW EXECUTE FUNCTION registry_follow_move();

CREATE FUNCTION registry_refuse_alias_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'an alias is moved by writing its history, never directly'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER registry_aliasassignment_guard
    BEFORE INSERT OR UPDATE OR DELETE ON registry_aliasassignment
    FOR EACH ROW EXECUTE FUNCTION registry_refuse_alias_write();
"""

FUNCTIONS = [
    "registry_refuse_edit",
    "registry_refuse_delete",
    "registry_refuse_artifact_delete",
    "registry_check_version_state",
    "registry_check_request_state",
    "registry_check_decision",
    "registry_check_move",
    "registry_follow_move",
    "registry_refuse_alias_write",
]


def frozen_triggers():
    """Return the statements that freeze each table but for its changeable columns."""
    for table, columns in CHANGEABLE.items():
        words = ", ".join(f"'{column}'" for column in columns)
        yield (
            f"CREATE TRIGGER {table}_frozen BEFORE UPDATE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION registry_refuse_edit({words});"
        )
        refuse = (
            "registry_refuse_artifact_delete"
            if table == "registry_versionartifact"
            else "registry_refuse_delete"
        )
        yield (
            f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {refuse}();"
        )


def drop():
    """Return the statements that take all guards away."""
    for name in FUNCTIONS:
        yield f"DROP FUNCTION {name}() CASCADE;"
    yield "DROP FUNCTION registry_is_approved(uuid);"


class Migration(migrations.Migration):
    dependencies = [("registry", "0003_evidence")]

    operations = [
        migrations.RunSQL([FROZEN, *frozen_triggers(), STATES, ALIASES], reverse_sql=list(drop())),
    ]

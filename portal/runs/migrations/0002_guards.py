from django.db import migrations

TERMINAL = """
CREATE FUNCTION runs_guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('succeeded', 'failed', 'errored', 'cancelled') AND (
        NEW.state, NEW.attempt, NEW.fence, NEW.result, NEW.error_code, NEW.error_message,
        NEW.parameters, NEW.seed, NEW.started_at, NEW.finished_at
    ) IS DISTINCT FROM (
        OLD.state, OLD.attempt, OLD.fence, OLD.result, OLD.error_code, OLD.error_message,
        OLD.parameters, OLD.seed, OLD.started_at, OLD.finished_at
    ) THEN
        RAISE EXCEPTION 'run % is over (%): what it came to cannot change', OLD.id, OLD.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'runs_terminal_is_terminal';
    END IF;
    IF NEW.fence < OLD.fence OR (NEW.state = 'running' AND OLD.state <> 'running' AND NEW.fence = OLD.fence) THEN
        RAISE EXCEPTION 'run %: a claim must raise the fencing token (% -> %)', OLD.id, OLD.fence, NEW.fence
            USING ERRCODE = 'check_violation', CONSTRAINT = 'runs_fence_rises';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER runs_guard_state BEFORE UPDATE ON runs_run
    FOR EACH ROW EXECUTE FUNCTION runs_guard_state();
"""
NOT_TERMINAL = """
DROP TRIGGER runs_guard_state ON runs_run;
DROP FUNCTION runs_guard_state();
"""

# The beat reads its entries again when this marker moves; a queryset's update() would not move it.
MARKER = """
CREATE FUNCTION runs_mark_beat_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO django_celery_beat_periodictasks (ident, last_update) VALUES (1, clock_timestamp())
        ON CONFLICT (ident) DO UPDATE SET last_update = EXCLUDED.last_update;
    RETURN NULL;
END $$;
CREATE TRIGGER runs_mark_beat_change AFTER UPDATE ON django_celery_beat_periodictask
    FOR EACH ROW WHEN (
        (OLD.enabled, OLD.task, OLD.args, OLD.kwargs, OLD.queue, OLD.crontab_id, OLD.interval_id,
         OLD.solar_id, OLD.clocked_id, OLD.start_time, OLD.expires, OLD.expire_seconds, OLD.one_off)
        IS DISTINCT FROM
        (NEW.enabled, NEW.task, NEW.args, NEW.kwargs, NEW.queue, NEW.crontab_id, NEW.interval_id,
         NEW.solar_id, NEW.clocked_id, NEW.start_time, NEW.expires, NEW.expire_seconds, NEW.one_off)
    ) EXECUTE FUNCTION runs_mark_beat_change();
"""
NO_MARKER = """
DROP TRIGGER runs_mark_beat_change ON django_celery_beat_periodictask;
DROP FUNCTION runs_mark_beat_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [
        migrations.RunSQL(TERMINAL, NOT_TERMINAL),
        migrations.RunSQL(MARKER, NO_MARKER),
    ]

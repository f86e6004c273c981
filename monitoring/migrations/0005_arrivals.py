"""A note of every recorded prediction, written in the transaction that records it."""

from django.db import migrations

INSTALL = """
CREATE FUNCTION monitoring_note_arrivals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO monitoring_arrival (prediction_id) SELECT id FROM arrived ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER monitoring_arrivals AFTER INSERT ON predictions_prediction
    REFERENCING NEW TABLE AS arrived
    FOR EACH STATEMENT EXECUTE FUNCTION monitoring_note_arrivals();
INSERT INTO monitoring_arrival (prediction_id) SELECT id FROM predictions_prediction;
-- Rows live for a second: without frequent cleaning each look would wade through the dead ones.
ALTER TABLE monitoring_arrival SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0
);
"""
REMOVE = """
DROP TRIGGER monitoring_arrivals ON predictions_prediction;
DROP FUNCTION monitoring_note_arrivals();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0004_drift"),
        ("predictions", "0010_traffic_roles"),
    ]

    operations = [migrations.RunSQL(INSTALL, REMOVE)]

-- Everything that acrel_link/schema.sql made; partitions go with their table, rights with all of them.
DROP TABLE IF EXISTS
    acrel_schema_version,
    acrel_reading_raw, acrel_meter_snapshot, acrel_alarm_watch, acrel_meter_live, acrel_meter_poll, acrel_read_at, acrel_meter_month, acrel_upload_seen, acrel_reading_quarantine, acrel_link_live,
    acrel_output_wanted, acrel_output_live, acrel_link_worker,
    acrel_engine_meter_mark, acrel_engine_output_mark, acrel_engine_quarter_mark, acrel_engine_alive,
    acrel_quarter_due, acrel_reading_quarter,
    acrel_root_key, acrel_link_key, acrel_key_authority, acrel_link_certificate, acrel_key_job, acrel_key_log CASCADE;
DROP FUNCTION IF EXISTS acrel_reading_ensure_partition(date), acrel_key_log_append_only();
DROP SEQUENCE IF EXISTS acrel_reading_id_seq, acrel_change_seq, acrel_link_epoch_seq;

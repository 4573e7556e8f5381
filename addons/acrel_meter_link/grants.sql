-- Rights of the role acrel_link: all that the link process does, and nothing else. Run at install, upgrade and at
-- every start of `odoo meter_link`; revoke.sql runs first, so that a right that is gone from here is gone there.

-- the form of the tables
GRANT SELECT ON acrel_schema_version TO acrel_link;

-- master data: the columns of docs/architecture.md
GRANT SELECT (id, serial, active, channel, address, company_id, suites, plain_allowed_at) ON acrel_link TO acrel_link;
GRANT SELECT (id, link_id, slave_address, profile, active, serial, role, poll_seconds) ON acrel_meter TO acrel_link;
GRANT SELECT (id, meter_id, number, feedback_input, active) ON acrel_output TO acrel_link;

-- what shall be
GRANT SELECT ON acrel_output_wanted, acrel_read_at TO acrel_link;

-- what is
GRANT SELECT, INSERT, UPDATE ON
    acrel_meter_live, acrel_meter_poll, acrel_link_live, acrel_output_live, acrel_link_worker TO acrel_link;
GRANT SELECT, INSERT ON
    acrel_reading_raw, acrel_meter_snapshot, acrel_meter_month, acrel_upload_seen, acrel_reading_quarantine TO acrel_link;
GRANT INSERT ON acrel_quarter_due TO acrel_link;

-- attempts, events, strangers
GRANT SELECT (id, meter_id, output_id, kind, origin, state, payload, requested_at, expires_at, sent_at, done_at,
              attempts, message),
      INSERT (meter_id, output_id, kind, origin, state, requested_at, expires_at, sent_at, done_at,
              attempts, message),
      UPDATE (state, sent_at, done_at, attempts, message)
    ON acrel_command TO acrel_link;
GRANT SELECT (id, meter_id, link_id, output_id, kind, severity, begin_at, end_at),
      INSERT (meter_id, link_id, output_id, kind, severity, begin_at, end_at, message),
      UPDATE (end_at)
    ON acrel_event TO acrel_link;
GRANT SELECT (id, serial, iccid, peer, first_seen_at, last_seen_at, attempts, ignored),
      INSERT (serial, iccid, peer, first_seen_at, last_seen_at, attempts),
      UPDATE (iccid, peer, last_seen_at, attempts),
      DELETE
    ON acrel_link_candidate TO acrel_link;

GRANT USAGE ON SEQUENCE
    acrel_reading_id_seq, acrel_change_seq, acrel_link_epoch_seq,
    acrel_command_id_seq, acrel_event_id_seq, acrel_link_candidate_id_seq TO acrel_link;

-- it runs with its owner's rights, so not for everybody
REVOKE ALL ON FUNCTION acrel_reading_ensure_partition(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION acrel_reading_ensure_partition(date) TO acrel_link;

-- keys: wrapped ones only, jobs and their log, which nobody changes afterwards
GRANT SELECT, INSERT, UPDATE ON
    acrel_root_key, acrel_link_key, acrel_key_authority, acrel_link_certificate, acrel_key_job TO acrel_link;
GRANT SELECT, INSERT ON acrel_key_log TO acrel_link;

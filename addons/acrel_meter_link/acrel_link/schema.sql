-- Tables that the link process, the engine and Odoo meet in. Idempotent: run at every install and upgrade.
-- They are no ORM tables because they are streams (readings), carry 64-bit registers, or are written by the
-- link process at a rate at which a row shared with Odoo's users would make their transactions fail.
-- All times are UTC without zone, as Odoo's. All registers are the raw integers of the meter.

-- The form of these tables, as the code that works on them expects it (SCHEMA_VERSION in database.py).
-- Raise it with a change that code of before must not meet.
CREATE TABLE IF NOT EXISTS acrel_schema_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version integer NOT NULL
);
INSERT INTO acrel_schema_version (version) VALUES (2)
ON CONFLICT (only_row) DO UPDATE SET version = excluded.version WHERE acrel_schema_version.version <> excluded.version;

CREATE SEQUENCE IF NOT EXISTS acrel_reading_id_seq;
CREATE SEQUENCE IF NOT EXISTS acrel_change_seq;
CREATE SEQUENCE IF NOT EXISTS acrel_link_epoch_seq;

CREATE TABLE IF NOT EXISTS acrel_reading_raw (
    id bigint NOT NULL DEFAULT nextval('acrel_reading_id_seq'),
    received_at timestamp NOT NULL,
    meter_id integer NOT NULL,
    source smallint NOT NULL,           -- the command it came in: 144 = 90 poll, 145 = 91 upload
    meter_clock timestamp,              -- the meter's own clock, its local time, where it has one
    ua integer, ub integer, uc integer,         -- 0.1 V
    uab integer, ubc integer, uca integer,      -- 0.1 V
    ia integer, ib integer, ic integer,         -- 0.01 A
    pa integer, pb integer, pc integer, p integer,      -- 0.001 kW, signed
    qa integer, qb integer, qc integer, q integer,      -- 0.001 kvar, signed
    sa bigint, sb bigint, sc bigint, s bigint,          -- 0.001 kVA
    pfa integer, pfb integer, pfc integer, pf integer,  -- 0.001
    di smallint, frequency integer,                     -- bits; 0.01 Hz
    pt integer, ct integer, temperature_n integer,      -- ratios; 0.1 °C
    e_total bigint, e_forward bigint, e_reverse bigint, -- 0.01 kWh; e_forward bills
    eq_forward bigint, eq_reverse bigint,               -- 0.01 kvarh
    PRIMARY KEY (meter_id, received_at, id)
) PARTITION BY RANGE (received_at);
-- Odoo opens a reading by its id; ids grow with time, so a few bytes a megabyte of readings find it.
CREATE INDEX IF NOT EXISTS acrel_reading_raw_id ON acrel_reading_raw USING brin (id) WITH (autosummarize = on);

-- Quarter hours of readings that the link stored late (from its spool): to be rolled up again. The link only adds rows
-- and the engine deletes those that it saw, so neither waits for the other and no mark is lost.
CREATE TABLE IF NOT EXISTS acrel_quarter_due (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id integer NOT NULL,
    quarter timestamp NOT NULL
);

-- Readings of 15 minutes in one row, kept for years; written by the engine only, partitioned by year.
-- energy = last_register - the meter's last_register before, so that quarters add up to the register's difference.
CREATE TABLE IF NOT EXISTS acrel_reading_quarter (
    meter_id integer NOT NULL,
    quarter timestamp NOT NULL,         -- its beginning
    -- one number in the order of meter and time, for Odoo; 2 ** 21 quarters are 59 years
    id bigint NOT NULL GENERATED ALWAYS AS
        (meter_id::bigint * 2097152 + floor((extract(epoch FROM quarter) - 946684800) / 900)::bigint) STORED,
    readings integer NOT NULL,
    first_at timestamp NOT NULL, last_at timestamp NOT NULL,
    first_register bigint, last_register bigint, energy bigint,         -- 0.01 kWh, as e_forward
    p_avg integer, p_max integer,                                       -- 0.001 kW, signed
    ua_min integer, ua_max integer, ub_min integer, ub_max integer, uc_min integer, uc_max integer, -- 0.1 V
    PRIMARY KEY (meter_id, quarter)
) PARTITION BY RANGE (quarter);
CREATE INDEX IF NOT EXISTS acrel_reading_quarter_id ON acrel_reading_quarter (id);

-- The newest reading of each meter. reading_id is the mark the engine compares its own with.
CREATE TABLE IF NOT EXISTS acrel_meter_live (
    meter_id integer PRIMARY KEY,
    reading_id bigint NOT NULL,
    received_at timestamp NOT NULL,
    source smallint NOT NULL,
    meter_clock timestamp,
    ua integer, ub integer, uc integer, uab integer, ubc integer, uca integer,
    ia integer, ib integer, ic integer,
    pa integer, pb integer, pc integer, p integer,
    qa integer, qb integer, qc integer, q integer,
    sa bigint, sb bigint, sc bigint, s bigint,
    pfa integer, pfb integer, pfc integer, pf integer,
    di smallint, frequency integer, pt integer, ct integer, temperature_n integer,
    e_total bigint, e_forward bigint, e_reverse bigint, eq_forward bigint, eq_reverse bigint
) WITH (fillfactor = 50);

-- How each meter is polled and heard, written by the link process when one of them becomes another.
CREATE TABLE IF NOT EXISTS acrel_meter_poll (
    meter_id integer PRIMARY KEY,
    every_seconds real,                 -- between two polls
    due_at timestamp,                   -- a time at which it is polled, repeated every interval; NULL while it is not connected
    learned_seconds real                -- between two readings, as they came
);

-- What of a meter changes slowly (power quality, rates, settings, extremes): raw integers by register name.
CREATE TABLE IF NOT EXISTS acrel_meter_snapshot (
    meter_id integer NOT NULL,
    kind text NOT NULL,
    received_at timestamp NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (meter_id, kind, received_at)
);
CREATE INDEX IF NOT EXISTS acrel_meter_snapshot_received_at ON acrel_meter_snapshot USING brin (received_at);

-- The energies that a meter froze at the end of a month, as it keeps them itself; written by the link process.
CREATE TABLE IF NOT EXISTS acrel_meter_month (
    meter_id integer NOT NULL,
    month date NOT NULL,                -- its first day
    frozen_at timestamp NOT NULL,       -- by the meter's clock, as UTC
    frozen_clock timestamp NOT NULL,    -- the same as the meter tells it
    received_at timestamp NOT NULL,
    e_total bigint, e_forward bigint, e_reverse bigint,     -- 0.01 kWh, over the meter's life
    eq_forward bigint, eq_reverse bigint,                   -- 0.01 kvarh
    e_forward_sharp bigint, e_forward_peak bigint, e_forward_flat bigint, e_forward_valley bigint,
    e_reverse_sharp bigint, e_reverse_peak bigint, e_reverse_flat bigint, e_reverse_valley bigint,
    others jsonb NOT NULL,              -- all other registers of the row, raw, by name
    register_before bigint, register_after bigint,          -- e_forward of our readings next to the freeze
    PRIMARY KEY (meter_id, month)
);

-- Moments at which a meter shall be read besides its polls, written by Odoo and the engine only (acrel.meter._want_readings).
CREATE TABLE IF NOT EXISTS acrel_read_at (
    at timestamp NOT NULL,
    meter_id integer NOT NULL,
    PRIMARY KEY (at, meter_id)
);

-- Identity of an upload, written in the transaction that stores it: the same upload twice is stored once. Kept 24 h, the newest of each link until another one follows.
CREATE TABLE IF NOT EXISTS acrel_upload_seen (
    link_id integer NOT NULL,
    digest bytea NOT NULL,
    received_at timestamp NOT NULL,
    PRIMARY KEY (link_id, digest)
);
CREATE INDEX IF NOT EXISTS acrel_upload_seen_received_at ON acrel_upload_seen USING brin (received_at);

-- Readings that could not be stored, with the reason; nothing that a meter sent is lost silently.
CREATE TABLE IF NOT EXISTS acrel_reading_quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamp NOT NULL,
    link_id integer,
    meter_id integer,
    reason text NOT NULL,
    frame bytea
);
CREATE INDEX IF NOT EXISTS acrel_reading_quarantine_received_at ON acrel_reading_quarantine (received_at);

-- State of each connection identity, written by the link process only.
CREATE TABLE IF NOT EXISTS acrel_link_live (
    link_id integer PRIMARY KEY,
    epoch bigint NOT NULL,              -- the claim of the process that owns the connection
    worker_id integer,
    online boolean NOT NULL,
    connected_at timestamp, seen_at timestamp, closed_at timestamp,
    peer text, iccid text, firmware text, rssi integer, upload_minutes integer
) WITH (fillfactor = 50);
-- How the connection proved whose it is, and when the link last did so on a secured channel: from then on plain is refused.
ALTER TABLE acrel_link_live
    ADD COLUMN IF NOT EXISTS channel text,
    ADD COLUMN IF NOT EXISTS proven_by text,        -- 'key', 'certificate', or 'serial', which proves nothing
    ADD COLUMN IF NOT EXISTS suite integer,
    ADD COLUMN IF NOT EXISTS key_version integer,
    ADD COLUMN IF NOT EXISTS secured_at timestamp;

-- What each output shall be, written by Odoo and the engine only (acrel.output._want).
CREATE TABLE IF NOT EXISTS acrel_output_wanted (
    output_id integer PRIMARY KEY,
    change bigint NOT NULL DEFAULT nextval('acrel_change_seq'), -- new at every write of the row
    revision integer NOT NULL DEFAULT 1,        -- +1 when the wanted state changes (not when only a guard moves)
    wanted text NOT NULL CHECK (wanted IN ('open', 'closed')),
    reason text NOT NULL,
    wanted_at timestamp NOT NULL,
    close_before timestamp,             -- a close not yet sent by then is never sent
    guard_energy bigint,                -- open when e_forward has grown by this since the close (raw counts)
    guard_until timestamp,              -- open at this time
    on_doubt text NOT NULL DEFAULT 'open' CHECK (on_doubt IN ('open', 'hold'))
) WITH (fillfactor = 50);
CREATE INDEX IF NOT EXISTS acrel_output_wanted_change ON acrel_output_wanted (change);

-- What each output is, written by the link process only.
CREATE TABLE IF NOT EXISTS acrel_output_live (
    output_id integer PRIMARY KEY,
    change bigint NOT NULL DEFAULT nextval('acrel_change_seq'),
    state text NOT NULL DEFAULT 'unknown' CHECK (state IN ('open', 'closed', 'unknown')),
    relay boolean,                      -- register 01C2/01C3 as read back: true = closed
    feedback boolean,                   -- DI of the contactor's auxiliary contact: true = closed
    observed_at timestamp,
    confirmed_revision integer,         -- the revision of wanted that was carried out and read back
    confirmed_at timestamp,
    close_revision integer,             -- the revision of the last close carried out ...
    close_register bigint,              -- ... e_forward read just before it,
    close_read_at timestamp,            -- ... and when that was read
    open_revision integer,              -- the revision under which the output was last opened (the close's own when its guard tripped)
    open_register bigint,               -- e_forward read just after it
    open_read_at timestamp,
    guard_register bigint,              -- close_register + guard_energy, as enforced now
    guard_tripped text CHECK (guard_tripped IN ('energy', 'time')), -- of close_revision
    guard_tripped_at timestamp,
    error text, error_at timestamp      -- why the wanted state was not reached; NULL when it was
) WITH (fillfactor = 50);
CREATE INDEX IF NOT EXISTS acrel_output_live_change ON acrel_output_live (change);

-- Link processes, one row a start.
CREATE TABLE IF NOT EXISTS acrel_link_worker (
    id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name text NOT NULL, host text NOT NULL, pid integer NOT NULL, listen text NOT NULL,
    started_at timestamp NOT NULL, seen_at timestamp NOT NULL, stopped_at timestamp,
    connections integer NOT NULL DEFAULT 0, readings bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0, lag_ms integer
);
-- What waits on its disk for PostgreSQL.
ALTER TABLE acrel_link_worker ADD COLUMN IF NOT EXISTS spool_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS spool_records bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS spool_oldest_at timestamp;

-- How far the engine has come: per meter the last reading handled, per output the last change handled.
CREATE TABLE IF NOT EXISTS acrel_engine_meter_mark (
    meter_id integer PRIMARY KEY, reading_id bigint NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS acrel_engine_output_mark (
    output_id integer PRIMARY KEY, change bigint NOT NULL
) WITH (fillfactor = 50);
-- When the engine last worked, and since when it does without a break (NULL: always): just after one, what meters said
-- meanwhile still waits on the links' disks.
CREATE TABLE IF NOT EXISTS acrel_engine_alive (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last_at timestamp NOT NULL, since timestamp
) WITH (fillfactor = 50);
-- Up to where all quarter hours are rolled up, and from when on readings are still there to do it again.
CREATE TABLE IF NOT EXISTS acrel_engine_quarter_mark (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    done_until timestamp NOT NULL, kept_since timestamp
);

-- Since when a rule's limit is passed, per meter, while its delay runs and its event lasts; the engine's alone.
CREATE TABLE IF NOT EXISTS acrel_alarm_watch (
    meter_id integer NOT NULL, rule_id integer NOT NULL, since timestamp NOT NULL,
    PRIMARY KEY (meter_id, rule_id)
);

-- The link's role owns nothing, so it asks for its partitions through this function. It runs with its owner's rights:
-- nothing is looked up in a schema where others may create.
CREATE OR REPLACE FUNCTION acrel_reading_ensure_partition(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text := 'acrel_reading_raw_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass('public.' || part) IS NULL THEN
        -- one creator at a time; the second finds it made
        PERFORM pg_advisory_xact_lock(hashtext('acrel_reading_ensure_partition'));
        IF to_regclass('public.' || part) IS NULL THEN
            -- made alone and then attached: so nobody who reads or stores meanwhile is waited for, nor waits
            EXECUTE format('CREATE TABLE public.%I (LIKE public.acrel_reading_raw INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
            EXECUTE format('ALTER TABLE public.acrel_reading_raw ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                           part, day, day + 1);
        END IF;
    END IF;
END $$;

-- === Keys (acrel_link/keys). Nothing here opens without a root key, which is never in the database. === --

-- The root key under which everything is wrapped; the sentinel proves it at the start of a link process.
CREATE TABLE IF NOT EXISTS acrel_root_key (
    root_id text PRIMARY KEY,
    sentinel bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('current', 'retired')),
    made_at timestamp NOT NULL,
    retired_at timestamp
);
CREATE UNIQUE INDEX IF NOT EXISTS acrel_root_key_one_current ON acrel_root_key ((true)) WHERE state = 'current';

-- Device keys, two slots a link: what the meter uses, and what it shall use next. `lab` is the test range, version 0.
CREATE TABLE IF NOT EXISTS acrel_link_key (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    link_id integer NOT NULL,
    serial text NOT NULL,               -- the link's at the issue; the key opens under no other
    version integer NOT NULL CHECK (version BETWEEN 0 AND 65535),
    state text NOT NULL CHECK (state IN ('current', 'next', 'lab', 'retired', 'revoked')),
    over_air boolean NOT NULL,          -- true: sent to the meter as frame 02; false: handed over at the bench
    root_id text REFERENCES acrel_root_key,
    wrapped bytea,                      -- erased when the key is retired or revoked
    boot_counter numeric(20) NOT NULL DEFAULT 0,        -- the highest that a valid E3 had
    boot_at timestamp,
    made_at timestamp NOT NULL,
    answered_at timestamp,              -- the meter has stored it as its next
    handed_over_at timestamp,           -- put into a package: never shown again
    since timestamp NOT NULL,           -- when it took its state
    CHECK ((wrapped IS NULL) = (state IN ('retired', 'revoked'))),
    CHECK ((wrapped IS NULL) = (root_id IS NULL)),
    CHECK ((version = 0) = (state = 'lab') OR state IN ('retired', 'revoked')),
    CONSTRAINT acrel_link_key_one_current EXCLUDE USING btree (link_id WITH =) WHERE (state = 'current') DEFERRABLE,
    CONSTRAINT acrel_link_key_one_next EXCLUDE USING btree (link_id WITH =) WHERE (state = 'next') DEFERRABLE,
    CONSTRAINT acrel_link_key_one_lab EXCLUDE USING btree (link_id WITH =) WHERE (state = 'lab') DEFERRABLE
);
CREATE UNIQUE INDEX IF NOT EXISTS acrel_link_key_version ON acrel_link_key (serial, version) WHERE version > 0;
CREATE INDEX IF NOT EXISTS acrel_link_key_link ON acrel_link_key (link_id);

-- The operator's authority for devices' certificates; its private key is a wrapped P-256 scalar.
CREATE TABLE IF NOT EXISTS acrel_key_authority (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    state text NOT NULL CHECK (state IN ('current', 'retired')),
    root_id text REFERENCES acrel_root_key,
    wrapped bytea,                      -- erased when it is replaced
    certificate text NOT NULL,          -- PEM
    fingerprint bytea NOT NULL UNIQUE,  -- SHA-256 of the DER
    made_at timestamp NOT NULL,
    not_after timestamp NOT NULL,
    crl_number integer NOT NULL DEFAULT 0,
    CHECK ((wrapped IS NULL) = (state = 'retired')),
    CHECK ((wrapped IS NULL) = (root_id IS NULL))
);
CREATE UNIQUE INDEX IF NOT EXISTS acrel_key_authority_one_current ON acrel_key_authority ((true)) WHERE state = 'current';

-- Certificates of links: the record that the tls channel believes; a CRL is only an export of it.
CREATE TABLE IF NOT EXISTS acrel_link_certificate (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    authority_id integer NOT NULL REFERENCES acrel_key_authority,
    link_id integer NOT NULL,
    serial text NOT NULL,
    number text NOT NULL,               -- the certificate's serial number, hexadecimal
    fingerprint bytea NOT NULL UNIQUE,
    certificate text NOT NULL,
    state text NOT NULL CHECK (state IN ('valid', 'revoked')),
    made_at timestamp NOT NULL,
    not_after timestamp NOT NULL,
    revoked_at timestamp,
    CHECK ((state = 'revoked') = (revoked_at IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS acrel_link_certificate_link ON acrel_link_certificate (link_id);

-- What a person wants done with keys. Odoo inserts, a link process carries out in one transaction with its effects.
CREATE TABLE IF NOT EXISTS acrel_key_job (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'done', 'failed', 'cancelled')),
    company_id integer,
    link_ids integer[] NOT NULL DEFAULT '{}',
    parameters jsonb NOT NULL DEFAULT '{}',     -- nothing secret
    recipient jsonb,                            -- who can open the result: a public key; erased at the end
    requested_by integer,                       -- res_users, or NULL for the command line
    actor text NOT NULL,
    requested_at timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'),
    worker_id integer,
    finished_at timestamp,
    message text,
    result bytea,                               -- a package, encrypted; erased when it was fetched
    result_name text,
    ticket bytea,                               -- digest of the one-time address of the download
    ticket_until timestamp,
    fetched_at timestamp,
    fetched_by text,
    CHECK (state <> 'queued' OR result IS NULL)
);
CREATE INDEX IF NOT EXISTS acrel_key_job_queued ON acrel_key_job (id) WHERE state = 'queued';

-- Every key action, for ever.
CREATE TABLE IF NOT EXISTS acrel_key_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'),
    actor text NOT NULL,
    action text NOT NULL,
    company_id integer,
    link_id integer,
    serial text,
    version integer,
    job_id integer,
    detail text
);
CREATE INDEX IF NOT EXISTS acrel_key_log_link ON acrel_key_log (link_id);

CREATE OR REPLACE FUNCTION acrel_key_log_append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'The log of key actions is only added to: % is refused.', TG_OP
          USING ERRCODE = 'restrict_violation';
END $$;
CREATE OR REPLACE TRIGGER acrel_key_log_rows BEFORE UPDATE OR DELETE ON acrel_key_log
    FOR EACH ROW EXECUTE FUNCTION acrel_key_log_append_only();
CREATE OR REPLACE TRIGGER acrel_key_log_table BEFORE TRUNCATE ON acrel_key_log
    FOR EACH STATEMENT EXECUTE FUNCTION acrel_key_log_append_only();

-- Which root keys a living link process has loaded: a roll waits until all have the new one.
ALTER TABLE acrel_link_worker ADD COLUMN IF NOT EXISTS roots text;

-- The SIM card of a link's first contact; another one is an event until a person accepts it (acrel_key_job).
ALTER TABLE acrel_link_live ADD COLUMN IF NOT EXISTS bound_iccid text;

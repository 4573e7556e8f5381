-- Tables that the link process, the engine and Odoo meet in. Idempotent: run at every install and upgrade.
-- They are no ORM tables because they are streams (readings), carry 64-bit registers, or are written by the
-- link process at a rate at which a row shared with Odoo's users would make their transactions fail.
-- All times are UTC without zone, as Odoo's. All registers are the raw integers of the meter.

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

-- Identity of an upload, kept 24 h in the transaction that stores it: the same upload twice is stored once.
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

-- How far the engine has come: per meter the last reading handled, per output the last change handled.
CREATE TABLE IF NOT EXISTS acrel_engine_meter_mark (
    meter_id integer PRIMARY KEY, reading_id bigint NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS acrel_engine_output_mark (
    output_id integer PRIMARY KEY, change bigint NOT NULL
) WITH (fillfactor = 50);

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
            EXECUTE format('CREATE TABLE public.%I PARTITION OF public.acrel_reading_raw FOR VALUES FROM (%L) TO (%L)',
                           part, day, day + 1);
        END IF;
    END IF;
END $$;

"""The statements that store a batch: the quick way of nearly all, the careful way of the others."""

from .reading import IDENTITY_COLUMNS, MEASURED, RAW_COLUMNS

_ROW = ", ".join(("received_at", "meter_id", "source", "meter_clock", *MEASURED))
_NAMES = _ROW.split(", ")
_STAY = ("pt", "ct", "temperature_n", *(name for name in MEASURED if name.startswith("e")))
"""Columns that a reading which lacks them leaves as they were in the live row."""

_UPDATE = ", ".join(
    f"{name} = coalesce(excluded.{name}, l.{name})"
    if name in _STAY
    else f"{name} = excluded.{name}"
    for name in _NAMES
    if name != "meter_id"
)


def _of(table: str) -> str:
    return ", ".join(f"{table}.{name}" for name in _NAMES)


# A live row beyond the present was written while a clock was wrong, and gives way to any reading.
_AHEAD = "received_at > localtimestamp + interval '10 s'"

# === The quick way === #

IDENTITIES = f"COPY acrel_upload_seen ({', '.join(IDENTITY_COLUMNS)}) FROM STDIN (FORMAT BINARY)"
"""Breaks the primary key when an upload is a repeated one; a third cheaper than ON CONFLICT."""

COPY_RAW = f"COPY acrel_reading_raw ({', '.join(RAW_COLUMNS)}) FROM STDIN (FORMAT BINARY)"

# The live row only goes forward, in time and in e_forward: a register that fell is no newest truth.
_MOVE = f"""
WITH moved AS (
    INSERT INTO acrel_meter_live AS l (reading_id, {_ROW})
    SELECT n.id, {_of("n")}
      FROM {{meters}} LEFT JOIN acrel_meter_live k ON k.meter_id = m.id
     CROSS JOIN LATERAL (
           SELECT r.id, {_of("r")} FROM acrel_reading_raw r
            WHERE r.meter_id = m.id AND r.received_at BETWEEN {{since}} AND {{until}}
              AND (k.received_at IS NULL OR r.received_at > k.received_at OR k.{_AHEAD})
              AND (k.e_forward IS NULL OR r.e_forward IS NULL OR r.e_forward >= k.e_forward)
            ORDER BY r.e_forward DESC NULLS LAST, r.received_at DESC LIMIT 1) n
    ON CONFLICT (meter_id) DO UPDATE SET reading_id = excluded.reading_id, {_UPDATE}
     WHERE l.received_at < excluded.received_at OR l.{_AHEAD}
    RETURNING 1
)
SELECT pg_notify('acrel_engine', '') WHERE EXISTS (SELECT FROM moved)
"""
MOVE = _MOVE.format(meters="unnest(%s) AS m (id)", since="%s", until="%s")
"""Move live rows to the newest of the readings between two moments; wake the engine."""
CATCH_UP = _MOVE.format(
    meters="acrel_meter m",
    since="coalesce(k.received_at, localtimestamp - interval '1 day')",
    until="'infinity'",
)
"""Move the live rows that a process left behind when it was killed."""

# === The careful way === #

STAGING = f"""
CREATE TEMPORARY TABLE IF NOT EXISTS staging ON COMMIT DELETE ROWS AS
SELECT {_ROW}, NULL::integer AS link_id, NULL::bytea AS digest
  FROM acrel_reading_raw WHERE false
"""

COPY = f"COPY staging ({', '.join(RAW_COLUMNS)}, link_id, digest) FROM STDIN (FORMAT BINARY)"

# An upload is stored when its identity is new. A polled reading has none: after a broken
# connection its batch may have been committed already, so its row is looked for. Both bounds of
# received_at are given, so that only the partitions of the batch are looked at.
STORE = f"""
WITH firsts AS (
    SELECT DISTINCT ON (link_id, digest) link_id, digest, received_at
      FROM staging WHERE digest IS NOT NULL ORDER BY link_id, digest, received_at
), news AS (
    INSERT INTO acrel_upload_seen (link_id, digest, received_at)
    SELECT link_id, digest, localtimestamp FROM firsts
    ON CONFLICT DO NOTHING
    RETURNING link_id, digest
), stored AS (
    INSERT INTO acrel_reading_raw ({_ROW})
    SELECT {_of("s")} FROM staging s
      LEFT JOIN (firsts JOIN news USING (link_id, digest)) n
             ON n.link_id = s.link_id AND n.digest = s.digest AND n.received_at = s.received_at
     WHERE (s.digest IS NULL OR n.digest IS NOT NULL)
       AND NOT EXISTS (
           SELECT 1 FROM acrel_reading_raw r
            WHERE r.meter_id = s.meter_id AND r.received_at = s.received_at
              AND r.received_at BETWEEN %s AND %s)
     ORDER BY s.received_at
    RETURNING id, {_ROW}
), moved AS (
    INSERT INTO acrel_meter_live AS l (reading_id, {_ROW})
    SELECT DISTINCT ON (stored.meter_id) stored.id, {_of("stored")}
      FROM stored LEFT JOIN acrel_meter_live k ON k.meter_id = stored.meter_id
     WHERE stored.e_forward IS NULL OR k.e_forward IS NULL OR stored.e_forward >= k.e_forward
     ORDER BY stored.meter_id, stored.e_forward DESC NULLS LAST, stored.received_at DESC
    ON CONFLICT (meter_id) DO UPDATE SET reading_id = excluded.reading_id, {_UPDATE}
     WHERE l.received_at < excluded.received_at OR l.{_AHEAD}
    RETURNING 1
)
SELECT (SELECT count(*) FROM stored), pg_notify('acrel_engine', '')
"""

PARTITIONS = """
SELECT acrel_reading_ensure_partition(day) FROM unnest(%s::date[]) AS day
"""

LATE = """
INSERT INTO acrel_quarter_due (meter_id, quarter) SELECT * FROM unnest(%s, %s::timestamp[])
"""
"""Let the engine roll up quarter hours again, which it may have done without these readings."""

# The same statement again, after a commit whose answer was lost, adds nothing.
QUARANTINE = """
INSERT INTO acrel_reading_quarantine (received_at, link_id, meter_id, reason, frame)
SELECT n.* FROM (VALUES (%s::timestamp, %s::integer, %s::integer, %s::text, %s::bytea))
       AS n (received_at, link_id, meter_id, reason, frame)
 WHERE NOT EXISTS (
       SELECT 1 FROM acrel_reading_quarantine q
        WHERE q.received_at = n.received_at AND q.link_id IS NOT DISTINCT FROM n.link_id
          AND q.frame IS NOT DISTINCT FROM n.frame)
"""

"""The row of acrel_output_live, written only by the connection that holds the link's epoch."""

import json
from collections.abc import Callable
from dataclasses import asdict

from .master import LIVE_COLUMNS, Live
from .store import Writer

_COLUMNS = ", ".join(LIVE_COLUMNS)
_WRITE = f"""
WITH written AS (
    INSERT INTO acrel_output_live AS o (output_id, {_COLUMNS})
    SELECT %(output)s::integer, {", ".join(f"v.{name}" for name in LIVE_COLUMNS)}
      FROM acrel_link_live l
         , jsonb_populate_record(NULL::acrel_output_live, %(row)s::jsonb) v
     WHERE l.link_id = %(link)s AND l.epoch = %(epoch)s
    ON CONFLICT (output_id) DO UPDATE SET change = nextval('acrel_change_seq'),
        {", ".join(f"{name} = excluded.{name}" for name in LIVE_COLUMNS)}
    RETURNING 1
)
SELECT count(*), pg_notify('acrel_engine', '') FROM written
"""


def write_live(
    writer: Writer,
    output_id: int,
    live: Live,
    link_id: int,
    epoch: int,
    done: Callable[[int], None],
) -> None:
    """Write the row after the readings that it names; `done` is told 0 when the epoch is lost."""
    row = json.dumps(asdict(live), default=str)
    writer.execute(
        _WRITE,
        {"output": output_id, "row": row, "link": link_id, "epoch": epoch},
        done=done,
        urgent=True,
        newest=("output", output_id),
    )

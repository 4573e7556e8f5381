"""Where the newest slow values of meters are found, and in which ratio they are shown."""

from odoo.tools import SQL


def latest(kind):
    """Return FROM and JOINs of the newest snapshot of each meter: m, s.received_at, s.data.

    Ratios are those of the installation valid now: i.pt and i.ct; without one both are NULL.
    """
    return SQL(
        """FROM acrel_meter m
           JOIN LATERAL (SELECT received_at, data FROM acrel_meter_snapshot
                          WHERE meter_id = m.id AND kind = %s
                       ORDER BY received_at DESC LIMIT 1) s ON TRUE
      LEFT JOIN acrel_installation i
             ON i.meter_id = m.id AND i.date_from <= now() AT TIME ZONE 'UTC'
            AND (i.date_to IS NULL OR i.date_to > now() AT TIME ZONE 'UTC')""",
        kind,
    )


def value(name, scale, ratio="1"):
    """Return one value of a snapshot in physical units of the primary side.

    :param str name: SQL expression of the register's name
    :param int scale: raw counts in one unit
    :param str ratio: SQL expression of what raises it to the primary side
    """
    return SQL("(s.data->>(%s))::numeric * %s / %s", SQL(name), SQL(ratio), scale)


PT = "COALESCE(i.pt, 1)"
CT = "COALESCE(i.ct, 1)"
PT_CT = "COALESCE(i.pt, 1)::bigint * COALESCE(i.ct, 1)"

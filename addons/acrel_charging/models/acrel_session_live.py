"""Live values of running sessions: a narrow table outside the ORM, the page's payload, the bus."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.acrel_meter_link.fields import BigInteger

from .. import units
from .acrel_session import LIVE_STATES

# The engine looks at readings once a second; what looks at sessions besides tells no one earlier.
PACE = timedelta(seconds=1)
DRIVER_MESSAGE = "acrel_session"
STAFF_MESSAGE = "acrel_session_staff"
STAFF_CHANNEL = "acrel_charging"


class Followed(NamedTuple):
    """How far the engine has followed a session: highest register, Wh, W, when read, when told."""

    register: int
    wh: int
    power_w: int
    read_at: datetime
    told_at: datetime


class AcrelSession(models.Model):
    """Live values of a session, shown by computed fields and sent to open screens."""

    _inherit = "acrel.session"

    live_register = BigInteger(string="Register Now", compute="_compute_live", aggregator=None)
    live_wh = BigInteger(string="Energy Now (Wh)", compute="_compute_live")
    live_kwh = fields.Float(string="Energy Now (kWh)", digits=(16, 2), compute="_compute_live")
    live_power_kw = fields.Float(string="Power (kW)", digits=(9, 2), compute="_compute_live")
    live_read_at = fields.Datetime(string="Last Reading", compute="_compute_live")
    live_seconds = fields.Integer(string="Seconds Now", compute="_compute_live")
    live_minutes = fields.Integer(string="Minutes Now", compute="_compute_live")

    def init(self):
        """Create the table of live values."""
        self.env.cr.execute("""
            CREATE TABLE IF NOT EXISTS acrel_session_live (
                session_id integer PRIMARY KEY REFERENCES acrel_session ON DELETE CASCADE,
                register bigint NOT NULL,
                wh bigint NOT NULL,
                power_w bigint NOT NULL,
                read_at timestamp NOT NULL,
                told_at timestamp NOT NULL
            ) WITH (fillfactor = 50)
        """)

    def _live_rows(self):
        """Return how far each session was followed: ``{session id: Followed}``."""
        rows = self.env.execute_query(
            SQL(
                "SELECT session_id, register, wh, power_w, read_at, told_at"
                " FROM acrel_session_live WHERE session_id = ANY(%s)",
                list(self.ids),
            )
        )
        return {row[0]: Followed(*row[1:]) for row in rows}

    @api.depends("state", "energy_wh")
    def _compute_live(self):
        """Show the live values while a session runs, and its result afterwards."""
        rows = self._live_rows()
        now = fields.Datetime.now()
        for session in self:
            row = rows.get(session.id)
            running = session.state in LIVE_STATES
            session.live_register = row.register if row else session.start_register
            session.live_wh = (row.wh if row else 0) if running else session.energy_wh
            session.live_kwh = units.kilo(session.live_wh)
            session.live_power_kw = units.kilo(row.power_w) if row and running else 0.0
            session.live_read_at = row.read_at if row else session.end_at
            until = now if running else session.end_at
            seconds = (until - session.start_at).total_seconds() if session.start_at else 0
            session.live_seconds = max(0, int(seconds))
            session.live_minutes = session.live_seconds // 60

    def _is_news(self, heard, followed):
        """Tell whether the meter has said something that the session has not followed yet."""
        return bool(heard) and (followed is None or heard.received_at > followed.read_at)

    def _now(self):
        """Return the time with its fraction, as readings carry it."""
        return datetime.now(UTC).replace(tzinfo=None)

    def _follow(self, heard, followed):
        """Take the newest readings of these sessions' meters into their live values.

        :param dict heard: newest reading by meter id
        :param dict followed: how far each session was followed before
        :return: ``{session id: Followed}`` of those that were followed further
        """
        further = {}
        for session in self:
            reading, known = heard.get(session.meter_id.id), followed.get(session.id)
            if not session.has_start or not session._is_news(reading, known):
                continue
            if reading.e_forward is None:
                continue
            register = max(known.register if known else session.start_register, reading.e_forward)
            power_w = (reading.p or 0) * session.unit_wh // 10
            further[session.id] = session._followed(register, power_w, reading.received_at)
        self._write_live(further)
        return further

    def _followed(self, register, power_w, read_at):
        """Return the live values at a register; Wh stop growing at the limit, as the bill does."""
        limited = min(register, self.billed_register_limit) if self.has_guard else register
        wh = max(0, limited - self.start_register) * self.unit_wh
        return Followed(register, wh, power_w, read_at, self._now())

    def _write_live(self, followed):
        """Write live values, ``{session id: Followed}``, in one statement."""
        if not followed:
            return
        self.env.cr.execute(
            """
            INSERT INTO acrel_session_live AS live
                   (session_id, register, wh, power_w, read_at, told_at)
            SELECT * FROM unnest(%s::integer[], %s::bigint[], %s::bigint[], %s::bigint[],
                                 %s::timestamp[], %s::timestamp[])
                ON CONFLICT (session_id) DO UPDATE
               SET register = GREATEST(live.register, EXCLUDED.register), wh = EXCLUDED.wh,
                   power_w = EXCLUDED.power_w, read_at = EXCLUDED.read_at,
                   told_at = EXCLUDED.told_at
            """,
            [list(followed), *map(list, zip(*followed.values(), strict=True))],
        )
        self.browse(followed).invalidate_recordset(
            [
                "live_register",
                "live_wh",
                "live_kwh",
                "live_power_kw",
                "live_read_at",
                "live_seconds",
                "live_minutes",
            ]
        )

    def _live_payload(self):
        """Return what an open page shows of this session; add-ons above add their keys.

        Values are texts in the driver's language, ready to show; times are epoch milliseconds.
        """
        self.ensure_one()
        return {
            "session_id": self.id,
            "name": self.name,
            "pile": self.pile_id.display_name,
            "state": self.state,
            "state_label": self._state_label(self.state),
            "wh": self.live_wh,
            "kwh": units.kilo_text(self.live_wh),
            "power_kw": units.kilo_text(units.base(self.live_power_kw)),
            "minutes": str(self.live_minutes),
            "duration": _duration_text(self.live_seconds),
            "now": _epoch_ms(self._now()),
            "start": _epoch_ms(self.start_at),
            "read_at": _epoch_ms(self.live_read_at),
            "ended": self.state not in LIVE_STATES,
            "end_reason": self._end_reason_text(),
            "warnings": self.flag_text or "",
        }

    def _send_live(self):
        """Send the payloads to the drivers' open pages and to the screens of staff.

        A driver without a login has no page.
        """
        by_company = {}
        for session in self:
            driver = session.driver_id
            if driver.user_ids:
                told = session.with_context(lang=driver.lang or self.env.lang)
                driver._bus_send(DRIVER_MESSAGE, told._live_payload())
            by_company.setdefault(session.company_id, []).append(
                {
                    "session_id": session.id,
                    "pile_id": session.pile_id.id,
                    "state": session.state,
                    "wh": session.live_wh,
                    "power_kw": session.live_power_kw,
                    "read_ms": _epoch_ms(session.live_read_at),
                }
            )
        for company, sessions in by_company.items():
            self.env["bus.bus"]._sendone(
                (company, STAFF_CHANNEL), STAFF_MESSAGE, {"sessions": sessions}
            )


def _epoch_ms(moment):
    """Return a time in UTC as a browser counts it, or False."""
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000) if moment else False


def _duration_text(seconds):
    """Return a duration as h:mm:ss."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"

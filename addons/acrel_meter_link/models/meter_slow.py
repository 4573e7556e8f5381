"""Slow values on the meter: power quality, energy by rate, and the order to read them now."""

from datetime import timedelta

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..access import require
from ..tariff_text import day_text, year_text
from .snapshot import latest, value

# An order that the meter did not hear of by then is not carried out any more.
ORDER_EXPIRES = timedelta(minutes=2)


class AcrelMeterSlow(models.Model):
    """What is read of a meter now and then, with units, valued by its installation of today."""

    _inherit = "acrel.meter"

    quality_at = fields.Datetime(compute="_compute_quality", string="Quality Read")
    unbalance_u = fields.Float(
        compute="_compute_quality", string="Voltage Unbalance (%)", digits=(16, 2), aggregator=None
    )
    unbalance_i = fields.Float(
        compute="_compute_quality", string="Current Unbalance (%)", digits=(16, 2), aggregator=None
    )
    residual_ma = fields.Float(
        compute="_compute_quality", string="Residual Current (mA)", digits=(16, 0), aggregator=None
    )
    signal_dbm = fields.Float(
        compute="_compute_quality", string="Signal (dBm)", digits=(16, 0), aggregator=None
    )
    phase_ids = fields.One2many(
        "acrel.meter.phase", "meter_id", string="Quality by Phase", readonly=True
    )
    harmonic_ids = fields.One2many(
        "acrel.meter.harmonic", "meter_id", string="Harmonics", readonly=True
    )
    demand_ids = fields.One2many("acrel.meter.demand", "meter_id", readonly=True)
    tariff_tables = fields.Text(
        compute="_compute_tariff_tables",
        help="The meter's own tariff: from when on which rate counts (1 sharp, 2 peak, 3 flat, 4 "
        "valley), and from which day on which table. Nothing is billed by it.",
    )
    energy_ids = fields.One2many(
        "acrel.meter.energy", "meter_id", string="Energy by Rate", readonly=True
    )

    def _compute_quality(self):
        """Show the newest snapshot of power quality."""
        names = ("unbalance_u", "unbalance_i", "residual_ma", "signal_dbm")
        self.env.cr.execute(
            SQL(
                """SELECT m.id, s.received_at AS quality_at, %s AS unbalance_u,
                          %s AS unbalance_i, %s AS residual_ma, %s AS signal_dbm
                     %s WHERE m.id = ANY(%s)""",
                value("'unbalance_u'", 100),
                value("'unbalance_i'", 100),
                value("'i_residual'", 1),
                value("'signal'", 1),
                latest("quality"),
                self.ids,
            )
        )
        found = {row["id"]: row for row in self.env.cr.dictfetchall()}
        for meter in self:
            row = found.get(meter._origin.id, {})
            meter.quality_at = row.get("quality_at")
            for name in names:
                meter[name] = row.get(name)

    def _compute_tariff_tables(self):
        """Show the tariff tables of the newest settings."""
        self.env.cr.execute(
            SQL("SELECT m.id, s.data %s WHERE m.id = ANY(%s)", latest("settings"), self.ids)
        )
        held = dict(self.env.cr.fetchall())
        for meter in self:
            data = held.get(meter._origin.id, {})
            lines = []
            if data.get("year_zones"):
                year = year_text(data["year_zones"]) or data["year_zones"]
                lines.append(self.env._("Year: %(zones)s", zones=year))
            for number in (1, 2, 3):
                if raw := data.get(f"day_table_{number}"):
                    day = day_text(raw)
                    day = raw if day is None else day or "–"
                    lines.append(
                        self.env._("Table %(number)s: %(periods)s", number=number, periods=day)
                    )
            meter.tariff_tables = "\n".join(lines) or False

    def _send_order(self, kind, payload=None, summary=None, reason=None):
        """Queue an order that the link process carries out and reads back.

        :param str kind: 'refresh', 'write' or 'configure'
        :param dict payload: what is written, as the link's ``writes.py`` takes it
        :param str summary: the same for the person who reads it
        :param str reason: why, as the person wrote
        :return: the command, whose state and result the link process writes
        """
        self.ensure_one()
        if not self.link_id.online:
            raise UserError(
                self.env._(
                    "Meter %(meter)s cannot be reached now: its link is not connected.",
                    meter=self.display_name,
                )
            )
        now = fields.Datetime.now()
        command = (
            self.env["acrel.command"]
            .sudo()
            .create(
                {
                    "meter_id": self.id,
                    "kind": kind,
                    "origin": "user",
                    "state": "queued",
                    "payload": payload,
                    "summary": summary,
                    "reason": reason,
                    "requested_at": now,
                    "expires_at": now + ORDER_EXPIRES,
                    "requested_by_id": self.env.uid,
                }
            )
        )
        self._notify_link()
        return command

    def action_refresh(self):
        """Ask the link process to read everything that it reads now and then."""
        require(self.env, "group_operator")
        self.check_access("read")
        for meter in self:
            meter._send_order("refresh")
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("The values are read one after the other, within a minute."),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def action_extremes(self):
        """Open the highest and lowest values of the last months."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("acrel_meter_link.action_extreme")
        action["domain"] = [("meter_id", "=", self.id)]
        return action

    def action_commands(self):
        """Open what was sent to the meter."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("acrel_meter_link.action_command")
        action["domain"] = [("meter_id", "=", self.id)]
        return action

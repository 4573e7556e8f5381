"""Meters."""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from ..access import require
from ..acrel_link import profiles

# A read asked for by a person that the meter did not answer by then is worth nothing.
READ_EXPIRES = timedelta(seconds=30)

# Three times its usual interval without a reading make a meter silent, but not less than this; and
# less than the second not before anything was learned of it.
SILENT_INTERVALS = 3
SILENT_FLOOR = timedelta(minutes=3)
UNKNOWN_FLOOR = timedelta(minutes=15)
# What a person may set is no less.
SHORTEST_SILENCE = timedelta(minutes=1)


class AcrelMeter(models.Model):
    """A metering device behind a link, found there by its slave address."""

    _name = "acrel.meter"
    _description = "Meter"
    _inherit = ["acrel.link.notify", "mail.thread"]
    _order = "name, id"
    _check_company_auto = True
    _WAY = ("link_id", "slave_address", "profile")

    name = fields.Char(required=True, tracking=True)
    serial = fields.Char(
        help="Serial number of the meter itself. For a meter with a built-in wireless module it "
        "is the link's.",
    )
    active = fields.Boolean(default=True)
    profile = fields.Selection(
        [(name, profiles.profile(name).label) for name in profiles.names()],
        required=True,
        default=profiles.DEFAULT,
        help="Model and firmware of the meter: its registers, and what its uploads hold.",
    )
    link_id = fields.Many2one(
        "acrel.link",
        index=True,
        tracking=True,
        check_company=True,
        ondelete="restrict",
        help="Connection the meter is behind. Without one nothing is read or switched.",
    )
    slave_address = fields.Integer(
        required=True,
        default=1,
        aggregator=None,
        help="Modbus address behind the link, 1 to 247.",
    )
    role = fields.Selection(
        [("load", "Pile or Outlet"), ("transformer", "Transformer")],
        required=True,
        default="load",
        tracking=True,
        help="A transformer's meter is always polled as often as one whose contactor is closed, "
        "since it shows how much the site may still draw.",
    )
    poll_seconds = fields.Integer(
        "Poll Every (s)",
        aggregator=None,
        help="Seconds between two polls while nobody draws. 0: as the link process is set, which "
        "is 5 minutes, and 10 seconds for a transformer. While a contactor is closed it is never "
        "polled less often than every 10 seconds.",
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    silence_minutes = fields.Integer(
        "Silent After (min)",
        aggregator=None,
        help="Without a reading for this long, the meter counts as silent. 0: three times as long "
        "as it usually takes from one reading to the next.",
    )
    output_ids = fields.One2many("acrel.output", "meter_id", string="Outputs")
    installation_ids = fields.One2many("acrel.installation", "meter_id", string="Installations")
    event_count = fields.Integer(compute="_compute_event_count", string="Open Events")

    _slave_range = models.Constraint(
        "CHECK (slave_address BETWEEN 1 AND 247)", "A Modbus address lies between 1 and 247."
    )
    _silence_positive = models.Constraint(
        "CHECK (silence_minutes >= 0)", "The time after which a meter is silent is not negative."
    )
    _poll_range = models.Constraint(
        "CHECK (poll_seconds = 0 OR poll_seconds BETWEEN 1 AND 3600)",
        "A meter is polled every 1 to 3,600 seconds, or as the link process is set (0).",
    )
    _link_slave_unique = models.UniqueIndex(
        "(link_id, slave_address) WHERE active AND link_id IS NOT NULL",
        "Another meter behind this link already has this address.",
    )

    def _compute_event_count(self):
        """Count what is not over yet."""
        counts = dict(
            self.env["acrel.event"]._read_group(
                [("meter_id", "in", self.ids), ("end_at", "=", False), ("severity", "!=", "info")],
                ["meter_id"],
                ["__count"],
            )
        )
        for meter in self:
            meter.event_count = counts.get(meter, 0)

    @api.constrains("profile")
    def _check_outputs_of_model(self):
        """A meter whose model changes keeps outputs that the new one has."""
        self.with_context(active_test=False).output_ids._check_model()

    @api.constrains("link_id", "active")
    def _check_link_active(self):
        """A meter in use stands behind a link in use."""
        for meter in self:
            if meter.active and meter.link_id and not meter.link_id.active:
                raise ValidationError(
                    self.env._(
                        "The link %(link)s of meter %(meter)s is archived. Restore it first.",
                        link=meter.link_id.display_name,
                        meter=meter.display_name,
                    )
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_measured(self):
        """Readings are evidence: a meter that has some is archived, not deleted."""
        for meter in self:
            self.env.cr.execute(
                "SELECT 1 FROM acrel_reading_raw WHERE meter_id = %s LIMIT 1", [meter.id]
            )
            if self.env.cr.fetchone():
                raise UserError(
                    self.env._(
                        "Meter %(meter)s has readings, which are kept as evidence. Archive it "
                        "instead of deleting it.",
                        meter=meter.display_name,
                    )
                )

    def _outputs_behind(self):
        """Override to return the outputs of these meters."""
        domain = [("meter_id", "in", self.ids), ("active", "=", True)]
        return self.env["acrel.output"].search(domain)

    def _installation_at(self, moment):
        """Return the installation of this meter that is valid at ``moment`` (UTC)."""
        self.ensure_one()
        return self.installation_ids._at(moment)

    def action_read_now(self):
        """Ask the link process for a reading of each meter."""
        require(self.env, "group_operator")
        self.check_access("read")
        now = fields.Datetime.now()
        for meter in self:
            if not meter.link_id.online:
                raise UserError(
                    self.env._(
                        "Meter %(meter)s cannot be read now: its link is not connected.",
                        meter=meter.display_name,
                    )
                )
        self.env["acrel.command"].sudo().create(
            [
                {
                    "meter_id": meter.id,
                    "kind": "read",
                    "origin": "user",
                    "state": "queued",
                    "requested_at": now,
                    "expires_at": now + READ_EXPIRES,
                    "requested_by_id": self.env.uid,
                }
                for meter in self
            ]
        )
        self._notify_link()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("The reading is asked for and arrives within seconds."),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def action_readings(self):
        """Open the readings of the meter."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("acrel_meter_link.action_reading")
        action["domain"] = [("meter_id", "=", self.id)]
        return action

    def action_months(self):
        """Open the months that the meter kept."""
        self.ensure_one()
        name = "acrel_meter_link.action_meter_month"
        action = self.env["ir.actions.act_window"]._for_xml_id(name)
        action["domain"] = [("meter_id", "=", self.id)]
        return action

    def action_quarters(self):
        """Open the meter's readings of 15 minutes."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "acrel_meter_link.action_reading_quarter"
        )
        action["domain"] = [("meter_id", "=", self.id)]
        return action

    def action_events(self):
        """Open the events of the meter."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("acrel_meter_link.action_event")
        action["domain"] = [("meter_id", "=", self.id)]
        action["context"] = {"search_default_open": 1}
        return action

    # === ENGINE === #

    def _on_readings(self):
        """Handle the readings of these meters that arrived since their marks.

        Called by the engine with many meters at once; when that raises, it is undone and called
        meter by meter. To be extended by `_inherit`.
        """
        events = self.env["acrel.event"]._open("meter_silent", self)
        live = self._live() if events else {}
        for meter, event in events.items():
            if live[meter.id].received_at > event.begin_at:
                event.end_at = live[meter.id].received_at

    @api.model
    def _on_tick(self):
        """Do everything that time alone brings. To be extended by `_inherit`."""
        self._report_silence()

    @api.model
    def _report_silence(self):
        """Open an event for each meter that has been silent for longer than its threshold."""
        if not self.env["acrel.engine"]._hears():
            return
        self.flush_model(["active", "link_id", "silence_minutes"])
        self.env["acrel.event"].flush_model(["kind", "meter_id", "end_at"])
        self.env.cr.execute(
            SQL(
                """SELECT m.id, l.received_at
                     FROM acrel_meter m
                     JOIN acrel_meter_live l ON l.meter_id = m.id
                LEFT JOIN acrel_meter_poll p ON p.meter_id = m.id
                LEFT JOIN acrel_link_live k ON k.link_id = m.link_id
                    WHERE m.active AND m.link_id IS NOT NULL
                      AND l.received_at < %(now)s - %(shortest)s
                      AND l.received_at < %(now)s - %(patience)s
                      AND NOT EXISTS (SELECT 1 FROM acrel_event e
                                       WHERE e.meter_id = m.id AND e.kind = 'meter_silent'
                                         AND e.end_at IS NULL)""",
                now=fields.Datetime.now(),
                # who was just heard need not be joined with how it is polled
                shortest=SHORTEST_SILENCE,
                patience=self._sql_patience(),
            )
        )
        self.env["acrel.event"].create(
            [
                {
                    "meter_id": meter_id,
                    "kind": "meter_silent",
                    "severity": "warning",
                    "begin_at": received_at,
                    "message": self.env._(
                        "No reading since %(moment)s UTC.",
                        moment=received_at.isoformat(" ", "seconds"),
                    ),
                }
                for meter_id, received_at in self.env.cr.fetchall()
            ]
        )

    @api.model
    def _sql_patience(self):
        """How long meter ``m``, polled ``p`` behind link ``k``, may say nothing."""
        return SQL(
            """CASE WHEN m.silence_minutes > 0 THEN m.silence_minutes * interval '1 minute'
                    WHEN p.learned_seconds IS NOT NULL
                    THEN GREATEST(%(floor)s, p.learned_seconds * %(times)s * interval '1 second')
                    ELSE GREATEST(%(unknown)s, k.upload_minutes * %(times)s * interval '1 minute')
                END""",
            floor=SILENT_FLOOR,
            unknown=UNKNOWN_FLOOR,
            times=SILENT_INTERVALS,
        )

"""A charging pile: one outlet behind one contactor and one meter."""

import base64
from datetime import timedelta
from urllib.parse import urljoin

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from odoo.addons.acrel_meter_link.access import require

from .. import units
from ..qr import qr_png

CONNECTORS = [
    ("gbt_ac", "GB/T 20234.2 (AC)"),
    ("gbt_dc", "GB/T 20234.3 (DC)"),
    ("type2", "IEC 62196 Type 2"),
    ("ccs", "CCS"),
    ("socket", "Household Socket"),
    ("industrial", "IEC 60309 Socket"),
    ("shore", "IEC/IEEE 80005 Shore Connection"),
]


class AcrelPile(models.Model):
    """Charging pile, found by its short code on the printed QR."""

    _name = "acrel.pile"
    _description = "Charging Pile"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "station_id, code, id"
    _check_company_auto = True

    code = fields.Char(
        required=True,
        copy=False,
        tracking=True,
        help="Up to 16 letters, digits and hyphens; part of the address on the QR code.",
    )
    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True)
    station_id = fields.Many2one(
        "acrel.station",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        tracking=True,
    )
    company_id = fields.Many2one(related="station_id.company_id", store=True, index=True)
    connector_type = fields.Selection(CONNECTORS, required=True, default="gbt_ac")
    rated_power_w = fields.Integer(
        string="Rated Power (W)", required=True, default=7000, tracking=True
    )
    rated_power_kw = fields.Float(
        string="Rated Power (kW)",
        digits=(9, 3),
        compute="_compute_rated_power_kw",
        inverse="_inverse_rated_power_kw",
    )
    installation_id = fields.Many2one(
        "acrel.installation",
        ondelete="restrict",
        check_company=True,
        tracking=True,
        copy=False,
        groups="acrel_meter_link.group_viewer",
        help="Which meter measures this pile; its output switches the pile's contactor.",
    )
    meter_id = fields.Many2one(
        related="installation_id.meter_id", groups="acrel_meter_link.group_viewer"
    )
    output_id = fields.Many2one(
        "acrel.output",
        string="Contactor Output",
        compute="_compute_output_id",
        store=True,
        readonly=False,
        precompute=True,
        ondelete="restrict",
        copy=False,
        domain="[('meter_id', '=', meter_id)]",
        groups="acrel_meter_link.group_viewer",
        help="The meter's output that switches this pile's contactor.",
    )
    longest_hours = fields.Integer(
        string="Longest Session (h)",
        required=True,
        default=24,
        help="The link opens the contactor after this time by itself.",
    )
    silence_minutes = fields.Integer(
        string="Silence Limit (min)",
        required=True,
        default=lambda self: self._default_silence_minutes(),
        help="A session whose meter is silent for so long ends on its last measured register.",
    )
    on_doubt = fields.Selection(
        [("open", "Open the contactor"), ("hold", "Hold: only a person opens it")],
        string="In Doubt",
        required=True,
        default="open",
        tracking=True,
        help="What the software does when it cannot know whether a session should go on: silence "
        "of the meter, a used-up limit. On hold it only raises an alarm to the responsible.",
    )
    out_of_service = fields.Boolean(tracking=True)
    out_of_service_reason = fields.Char(translate=True)
    session_ids = fields.One2many("acrel.session", "pile_id", string="Sessions")
    live_session_id = fields.Many2one(
        "acrel.session", compute="_compute_live_session_id", string="Session Now"
    )
    live_energy_kwh = fields.Float(
        string="Energy Now (kWh)", digits=(16, 2), compute="_compute_live_session_id"
    )
    live_power_kw = fields.Float(
        string="Power Now (kW)", digits=(9, 2), compute="_compute_live_session_id"
    )
    qr_url = fields.Char(string="QR Address", compute="_compute_qr_url")
    qr_image = fields.Binary(string="QR Code", compute="_compute_qr_image")

    _code_unique = models.Constraint(
        "UNIQUE (code)", "A pile with this code exists already; each QR address leads to one pile."
    )
    _code_format = models.Constraint(
        "CHECK (code ~ '^[A-Za-z0-9-]{1,16}$')",
        "A pile's code has 1 to 16 letters, digits or hyphens, because it is part of an address.",
    )
    _installation_unique = models.UniqueIndex(
        "(installation_id) WHERE active",
        "This installation measures another pile already.",
    )
    _rated_power_positive = models.Constraint(
        "CHECK (rated_power_w > 0)", "The rated power of a pile is more than zero."
    )
    _longest_positive = models.Constraint(
        "CHECK (longest_hours > 0)", "The longest session lasts at least one hour."
    )
    _silence_positive = models.Constraint(
        "CHECK (silence_minutes > 0)", "The silence limit is at least one minute."
    )

    @api.model
    def _default_silence_minutes(self):
        """Take the limit of silence that the administrator set for new piles."""
        parameters = self.env["ir.config_parameter"].sudo()
        return int(parameters.get_param("acrel_charging.silence_minutes") or 30)

    @api.depends("installation_id")
    def _compute_output_id(self):
        """Take the meter's first output when the installation changes."""
        for pile in self:
            meter = pile.installation_id.meter_id
            if pile.output_id.meter_id != meter or not meter:
                pile.output_id = meter.output_ids[:1]

    @api.constrains("installation_id", "output_id")
    def _check_output(self):
        """The meter that measures the pile is the one that switches it."""
        for pile in self:
            if pile.output_id and pile.output_id.meter_id != pile.installation_id.meter_id:
                raise ValidationError(
                    self.env._(
                        "Output %(output)s belongs to another meter than the one that measures "
                        "pile %(pile)s.",
                        output=pile.output_id.display_name,
                        pile=pile.display_name,
                    )
                )

    @api.constrains("installation_id", "station_id")
    def _check_installation(self):
        """A pile in a live session keeps its meter."""
        for pile in self:
            session = pile.live_session_id
            if session and session.installation_id != pile.installation_id:
                raise ValidationError(
                    self.env._(
                        "Session %(session)s goes on at pile %(pile)s; its meter cannot be "
                        "exchanged now.",
                        session=session.name,
                        pile=pile.display_name,
                    )
                )

    @api.depends("code", "name")
    def _compute_display_name(self):
        """Show code and name."""
        for pile in self:
            pile.display_name = f"{pile.code} {pile.name}" if pile.code else pile.name

    @api.depends("rated_power_w")
    def _compute_rated_power_kw(self):
        """Show the rated power in kW."""
        for pile in self:
            pile.rated_power_kw = units.kilo(pile.rated_power_w)

    def _inverse_rated_power_kw(self):
        """Keep the rated power in whole watts."""
        for pile in self:
            pile.rated_power_w = units.base(pile.rated_power_kw)

    @api.depends("session_ids.state")
    def _compute_live_session_id(self):
        """Find the one session that is not yet ended, with its live values."""
        sessions = self.env["acrel.session"].search_fetch(
            [("pile_id", "in", self.ids), ("is_live", "=", True)], ["pile_id"]
        )
        by_pile = {session.pile_id.id: session for session in sessions}
        for pile in self:
            session = by_pile.get(pile.id, self.env["acrel.session"])
            pile.live_session_id = session
            pile.live_energy_kwh = session.live_kwh
            pile.live_power_kw = session.live_power_kw

    @api.depends("code")
    def _compute_qr_url(self):
        """Give the address that the printed code holds."""
        for pile in self:
            base_url = pile.get_base_url()
            pile.qr_url = urljoin(base_url, f"/charging/p/{pile.code}") if pile.code else False

    @api.depends("qr_url")
    def _compute_qr_image(self):
        """Draw the QR code of the pile's address."""
        for pile in self:
            pile.qr_image = pile.qr_url and base64.b64encode(qr_png(pile.qr_url))

    def _on_doubt(self):
        """Return what doubt means at this pile: 'open' or 'hold'."""
        self.ensure_one()
        return self.on_doubt

    def _rated_power_text(self):
        """Return the rated power in kW as people write it: 7, 3.68."""
        self.ensure_one()
        return f"{self.rated_power_kw:g}"

    def _longest_session(self):
        """Return how long a session may last at most."""
        self.ensure_one()
        return timedelta(hours=self.longest_hours)

    def _check_start(self, partner):
        """Raise a sentence when a session cannot start here now for this partner (or nobody)."""
        self.ensure_one()
        text = {"pile": self.display_name}
        if not self.active or not self.station_id.active or self.out_of_service:
            raise UserError(
                self.env._("Pile %(pile)s is out of service. Please choose another pile.", **text)
            )
        pile = self.sudo()
        if not pile.installation_id or not pile.output_id:
            raise UserError(self.env._("Pile %(pile)s has no meter with a contactor yet.", **text))
        if pile.live_session_id:
            raise UserError(self.env._("A session is going on at pile %(pile)s already.", **text))
        standing = pile.output_id._wanted().get(pile.output_id.id)
        if standing and standing.wanted == "closed":
            raise UserError(
                self.env._(
                    "Pile %(pile)s is switched on by hand at the moment. Please choose another "
                    "pile.",
                    **text,
                )
            )
        if not pile.installation_id._at(fields.Datetime.now()):
            raise UserError(
                self.env._("The meter installation of pile %(pile)s is not valid now.", **text)
            )
        if self.state == "offline":
            raise UserError(
                self.env._(
                    "Pile %(pile)s cannot be reached at the moment. Please try again in a minute "
                    "or choose another pile.",
                    **text,
                )
            )
        if self.state == "fault":
            raise UserError(
                self.env._(
                    "Pile %(pile)s reports a fault. Please choose another pile; its operator has "
                    "been told.",
                    **text,
                )
            )

    def _start(self, partner=None, **values):
        """Start a session here for a partner, or for nobody when staff run it.

        Return it in state *starting*: the link closes the contactor within 30 s or never. Any
        sentence raised on the way undoes all of it.
        """
        self.ensure_one()
        partner = partner or self.env["res.partner"]
        self._check_start(partner)
        pile = self.sudo()
        session = pile.env["acrel.session"].create(
            {
                "pile_id": pile.id,
                "station_id": pile.station_id.id,
                "company_id": pile.company_id.id,
                "installation_id": pile.installation_id.id,
                "meter_id": pile.meter_id.id,
                "output_id": pile.output_id.id,
                "driver_id": partner.id,
                "started_by_id": self.env.uid,
                "requested_at": fields.Datetime.now(),
                "on_doubt": pile._on_doubt(),
                "unit_wh": pile.installation_id.unit_wh,
                **values,
            }
        )
        session._authorise()
        session._begin_start()
        return session

    def action_start(self):
        """Open the form in which staff choose for whom the session starts."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Start a Session"),
            "res_model": "acrel.session.start",
            "view_mode": "form",
            "target": "new",
            "context": {"default_pile_id": self.id},
        }

    def action_stop(self):
        """Stop the session that goes on at this pile."""
        self.ensure_one()
        if not self.live_session_id:
            raise UserError(self.env._("No session is going on at pile %s.", self.display_name))
        return self.live_session_id.action_stop()

    def action_toggle_service(self):
        """Take piles out of service, or back into it; a session that goes on is left alone."""
        require(self.env, "group_operator")
        self.check_access("read")
        for pile in self.sudo():
            pile.out_of_service = not pile.out_of_service

    def action_view_sessions(self):
        """Open the sessions of the pile."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "acrel_charging.acrel_session_action"
        )
        return {**action, "domain": [("pile_id", "=", self.id)], "context": {}}

    @api.model
    def _by_code(self, code):
        """Return the published pile of a QR address, or no pile; privileges are the server's."""
        return self.sudo().search(
            [
                ("code", "=", code),
                ("station_id.active", "=", True),
                ("station_id.portal_published", "=", True),
            ],
            limit=1,
        )

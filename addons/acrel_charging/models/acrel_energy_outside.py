"""Energy that a meter counted and no session owns."""

from odoo import api, fields, models

from odoo.addons.acrel_meter_link.fields import BigInteger

from .. import units

DEFAULT_THRESHOLD_WH = 1000


class AcrelEnergyOutside(models.Model):
    """An interval of a meter's register that belongs to no session.

    The register of an installation is cut without gap and without overlap into sessions and these
    intervals: ``acrel.installation.accounted_register`` is how far it has been cut.
    """

    _name = "acrel.energy.outside"
    _description = "Energy outside Sessions"
    _order = "id desc"
    _rec_name = "installation_id"

    installation_id = fields.Many2one(
        "acrel.installation", required=True, readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one(related="installation_id.company_id", store=True, index=True)
    pile_id = fields.Many2one("acrel.pile", readonly=True, index=True, ondelete="restrict")
    station_id = fields.Many2one(related="pile_id.station_id", store=True, index=True)
    from_register = BigInteger(required=True, readonly=True, aggregator=None)
    to_register = BigInteger(required=True, readonly=True, aggregator=None)
    from_at = fields.Datetime(string="From", readonly=True)
    to_at = fields.Datetime(string="Until", required=True, readonly=True)
    wh = BigInteger(string="Energy (Wh)", required=True, readonly=True)
    kwh = fields.Float(string="Energy (kWh)", digits=(16, 3), compute="_compute_kwh", store=True)
    session_before_id = fields.Many2one(
        "acrel.session", string="After Session", readonly=True, index="btree_not_null"
    )
    session_after_id = fields.Many2one(
        "acrel.session", string="Before Session", readonly=True, index="btree_not_null"
    )
    above_limit = fields.Boolean(
        readonly=True, help="Drawn in a session above the limit up to which it is billed."
    )
    anomaly = fields.Boolean(
        readonly=True, index=True, help="More than what a pile draws when nobody charges."
    )

    _once = models.Constraint(
        "UNIQUE (installation_id, from_register)",
        "This energy has been recorded outside sessions already.",
    )
    _grows = models.Constraint(
        "CHECK (to_register > from_register AND wh > 0)", "An interval of a register grows."
    )

    @api.depends("wh")
    def _compute_kwh(self):
        """Show the energy in kWh."""
        for outside in self:
            outside.kwh = units.kilo(outside.wh)

    @api.model
    def _threshold_wh(self):
        """Return from which energy on an interval is an anomaly."""
        parameters = self.env["ir.config_parameter"].sudo()
        value = parameters.get_param("acrel_charging.outside_anomaly_wh")
        return int(value or DEFAULT_THRESHOLD_WH)

    @api.model
    def _account(self, installation, register, read_at, session=None, after=None):
        """Account for an installation's register up to here as energy outside sessions, once.

        ``session`` is the one that drew it above its limit, ``after`` the one that starts now.
        Return the record, or none when nothing was left to account for.
        """
        installation._lock_accounted()
        if register <= installation.accounted_register or not installation.is_accounted:
            if not installation.is_accounted:
                installation._set_accounted(register, read_at)
            return self.browse()
        before = session or installation._last_session(after)
        pile = (before or after or installation).pile_id
        wh = installation._raw_to_wh(register - installation.accounted_register)
        outside = self.create(
            {
                "installation_id": installation.id,
                "pile_id": pile.id,
                "from_register": installation.accounted_register,
                "to_register": register,
                "from_at": installation.accounted_at,
                "to_at": read_at,
                "wh": wh,
                "session_before_id": before.id,
                "session_after_id": after.id if after else False,
                "above_limit": bool(session),
                "anomaly": wh > self._threshold_wh(),
            }
        )
        installation._set_accounted(register, read_at)
        return outside

    @api.model
    def _account_session(self, session, end_register, measured_register, read_at):
        """Account for an ended session's own energy, and for what it drew above its limit."""
        installation = session.installation_id
        installation._lock_accounted()
        installation._set_accounted(end_register, read_at)
        self._account(installation, measured_register, read_at, session=session)

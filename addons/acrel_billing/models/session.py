"""A session's price: its terms, frozen at the start, its cost while it runs, its settlement."""

from zoneinfo import ZoneInfo

from odoo import api, fields, models
from odoo.exceptions import UserError

from .. import acrel_pricing as pricing

SETTLEMENT_STATES = [
    ("none", "Not Yet"),
    ("pending", "Waiting"),
    ("settled", "Settled"),
    ("not_billable", "Not Billed"),
    ("refused", "Refused"),
]


class AcrelSession(models.Model):
    """Session with the tariff version, payer and way of payment that were agreed at its start."""

    _inherit = "acrel.session"

    currency_id = fields.Many2one(related="company_id.currency_id")
    payer_id = fields.Many2one(
        "res.partner", readonly=True, index="btree_not_null", ondelete="restrict", copy=False
    )
    payment_mode = fields.Selection(
        [("prepaid", "From the Wallet"), ("postpaid", "By Invoice")], readonly=True, copy=False
    )
    tariff_version_id = fields.Many2one(
        "acrel.tariff.version",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        copy=False,
    )
    price_tz = fields.Char(
        string="Clock of the Prices",
        readonly=True,
        copy=False,
        help="Time zone of the station when the session started.",
    )
    settlement_state = fields.Selection(
        SETTLEMENT_STATES,
        string="Settlement",
        required=True,
        readonly=True,
        default="none",
        copy=False,
        index=True,
        tracking=True,
    )
    settlement_message = fields.Char(readonly=True, copy=False)
    bill_line_ids = fields.One2many("acrel.bill.line", "session_id", string="Bill Lines")
    bill_id = fields.Many2one("acrel.bill", compute="_compute_bill_id")
    amount = fields.Monetary(
        related="bill_id.amount_gross", string="Billed", groups="acrel_meter_link.group_viewer"
    )
    end_reason = fields.Selection(selection_add=[("credit", "Balance used up")])

    @api.depends("bill_line_ids.is_live")
    def _compute_bill_id(self):
        """Find the bill that stands for the session now."""
        for session in self:
            live = session.sudo().bill_line_ids.filtered("is_live")
            session.bill_id = live.bill_id[:1]

    @api.model_create_multi
    def create(self, vals_list):
        """Freeze the terms under which each session starts."""
        sessions = super().create(vals_list)
        for session in sessions:
            session._freeze_terms()
        return sessions

    def _freeze_terms(self):
        """Keep who pays, how and by which prices; a session that nobody pays is only recorded."""
        self.ensure_one()
        payer = self._payer()
        if not payer:
            self.settlement_state = "not_billable"
            return
        self.write(
            {
                "payer_id": payer.id,
                "payment_mode": self.pile_id._payment_mode(),
                "tariff_version_id": self.pile_id._check_priced().id,
                "price_tz": self.station_id.tz,
            }
        )

    def _payer(self):
        """Return who pays for the session: its driver, unless an add-on above knows better."""
        self.ensure_one()
        return self.payer_id or self.driver_id

    def _zone(self):
        """Return the clock of the session's prices."""
        self.ensure_one()
        return ZoneInfo(self.price_tz or self.station_id.tz)

    # === settlement ===

    def _on_state(self, old):
        """Settle what has ended, in the transaction that ends it."""
        result = super()._on_state(old)
        for session in self:
            if session.state == "finished":
                session._settle()
            elif session.state in ("faulted", "cancelled"):
                session._close_unbilled()
        return result

    def _settles_alone(self):
        """Whether the session is billed when it ends; an add-on above may bill several together."""
        self.ensure_one()
        return True

    def _settle(self):
        """Bill the session once; what cannot be billed waits, with the reason, for a person."""
        self.ensure_one()
        self._lock()
        if self.settlement_state in ("settled", "not_billable"):
            return self.bill_id
        if not self.billable or not self._settles_alone():
            self._set_settlement("pending")
            return self.bill_id
        try:
            with self.env.cr.savepoint():
                return self.env["acrel.bill"]._settle(self)
        except UserError as error:
            self.invalidate_recordset()
            self._set_settlement("refused", str(error))
            return self.bill_id

    def _close_unbilled(self):
        """Give back the hold of a session that ended without energy to bill."""
        if self.payment_mode == "prepaid":
            self._release_hold()
        if self.settlement_state != "not_billable":
            self._set_settlement("settled", self.env._("There was no energy to bill."))

    def _set_settlement(self, state, message=False):
        """Note how far the session's money is, and why it is no further."""
        self.write({"settlement_state": state, "settlement_message": message})

    def _check_settle(self):
        """Raise a sentence for a session that cannot be billed."""
        for session in self:
            text = {"session": session.name}
            if session.state != "finished":
                raise UserError(self.env._("Session %(session)s has not finished.", **text))
            if not session.billable:
                raise UserError(
                    self.env._("The energy of session %(session)s waits to be confirmed.", **text)
                )
            if not session.payer_id:
                raise UserError(self.env._("Session %(session)s has nobody who pays it.", **text))
            if not session.tariff_version_id:
                raise UserError(
                    self.env._("Session %(session)s started without a tariff in force.", **text)
                )
            if session.settlement_state == "settled":
                raise UserError(self.env._("Session %(session)s is settled already.", **text))

    def action_settle(self):
        """Try again to bill sessions that were refused or wait."""
        self.env["acrel.bill"]._check_biller()
        self.check_access("read")
        for session in self.sudo():
            session._check_settle()
            session._settle()

    def action_view_bill(self):
        """Open the session's bill."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "acrel.bill",
            "res_id": self.bill_id.id,
            "view_mode": "form",
        }

    def _priced_lines(self, version):
        """Return the priced lines of an ended session by a version, from stored readings."""
        self.ensure_one()
        return pricing.price(self._curve(), self.unit_wh, version._priced(), self._zone())

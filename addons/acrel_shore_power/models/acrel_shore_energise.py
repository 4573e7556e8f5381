"""Energising, de-energising and billing of a shore connection."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.acrel_billing.money import amount_of
from odoo.addons.acrel_charging import units

from .acrel_pile import CONNECTION_KEY


class AcrelShoreConnection(models.Model):
    """What a person's buttons do to the outlet, and what the agent then owes."""

    _inherit = "acrel.shore.connection"

    alarm_text = fields.Char("Alarm", compute="_compute_alarm_text", compute_sudo=True)
    live_kwh = fields.Float(
        "Energy Now (kWh)", digits=(12, 2), compute="_compute_live_kwh", compute_sudo=True
    )
    invoice_id = fields.Many2one("account.move", compute="_compute_invoice_id")

    @api.depends("session_ids.alarm_message", "session_ids.alarm_due_at", "session_ids.state")
    @api.depends_context("lang", "tz")
    def _compute_alarm_text(self):
        """Say what is wrong, who decides and until when."""
        for connection in self:
            session = connection.session_ids.filtered(lambda s: s.is_live and s.alarm_message)[:1]
            if not session:
                connection.alarm_text = False
                continue
            due = fields.Datetime.context_timestamp(connection, session.alarm_due_at)
            connection.alarm_text = self.env._(
                "%(alarm)s. The software does not open this outlet: %(person)s decides before"
                " %(due)s whether the ship is de-energised.",
                alarm=session.alarm_message,
                person=session._responsible().name or self.env._("the port"),
                due=due.strftime("%Y-%m-%d %H:%M"),
            )

    @api.depends("session_ids.state", "session_ids.energy_wh")
    def _compute_live_kwh(self):
        """Show what has been supplied until now, the running session included."""
        for connection in self:
            connection.live_kwh = units.kilo(sum(connection.session_ids.mapped("live_wh")))

    @api.depends("bill_ids.state")
    def _compute_invoice_id(self):
        """Show the invoice of the bill that holds now."""
        for connection in self:
            connection.invoice_id = connection.bill_id.sudo().invoice_id

    def action_energise(self):
        """Close the outlet's contactor: one more session of its pile."""
        self.ensure_one()
        self._check_person()
        self.lock_for_update()
        self.invalidate_recordset()
        self._expect_state("confirmed")
        self._check_not_running()
        self._check_ready()
        pile = self.outlet_id.pile_id.with_context(**{CONNECTION_KEY: self.id})
        pile._start(self.env["res.partner"], shore_connection_id=self.id)
        self._log_person(self.env._("Energising asked for by %s.", self.env.user.name))

    def action_deenergise(self):
        """Open the outlet's contactor, because a person says so."""
        self.ensure_one()
        self._check_person()
        session = self.session_ids.filtered("is_live")
        if not session:
            raise UserError(self.env._("%(connection)s is not energised.", connection=self.name))
        session.action_stop()
        self._log_person(self.env._("De-energising asked for by %s.", self.env.user.name))

    def _settle(self):
        """Make the one bill of this connection and its invoice to the agent."""
        self.ensure_one()
        waiting = self.session_ids.filtered(
            lambda session: session.state == "finished" and not session.billable
        )
        if waiting:
            raise UserError(
                self.env._(
                    "The energy of %(session)s is not plausible and waits for a person to confirm"
                    " it. Do that first, then end %(connection)s.",
                    session=waiting[0].name,
                    connection=self.name,
                )
            )
        sessions = self.session_ids.filtered(lambda session: session.state == "finished")
        if not sessions:
            self.message_post(body=self.env._("No energising ended with energy to bill."))
            return
        # The operator ends a supply; what that means in money is no right of his.
        bill = self.env["acrel.bill"].sudo()._settle(sessions)
        if bill:
            self._invoice(bill)

    def _invoice(self, bill):
        """Invoice the agent; books that are not ready keep no ship from leaving."""
        try:
            with self.env.cr.savepoint():
                bill._make_invoice()
        except UserError as error:
            bill.invalidate_recordset()
            self.message_post(
                body=self.env._(
                    "Bill %(bill)s was made, but not its invoice: %(error)s Make it from the bill.",
                    bill=bill.name,
                    error=error,
                )
            )

    def _bill_items(self):
        """Return the bill's fees, each apart: name, kWh and amount with VAT."""
        self.ensure_one()
        lines = self.bill_id.line_ids
        kinds = dict(lines._fields["fee_kind"]._description_selection(self.env))
        items = []
        for kind, name in kinds.items():
            of_kind = lines.filtered(lambda line, kind=kind: line.fee_kind == kind)
            if of_kind:
                items.append(
                    {
                        "name": name,
                        "energy_kwh": units.kilo(sum(of_kind.mapped("energy_wh"))),
                        "amount": amount_of(sum(of_kind.mapped("gross_fen"))),
                    }
                )
        return items

    def action_bill(self):
        """Open the bill."""
        self.ensure_one()
        return self.bill_id._get_records_action()

    def action_invoice(self):
        """Open the invoice."""
        self.ensure_one()
        return self.invoice_id._get_records_action()

    def _log_person(self, text):
        """Put a person's decision on the record."""
        self._message_log(body=text)

    def _check_person(self):
        """Refuse users who may only look."""
        self.check_access("write")

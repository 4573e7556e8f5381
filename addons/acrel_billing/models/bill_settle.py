"""Making bills out of ended sessions, taking them back, and replaying them."""

from zoneinfo import ZoneInfo

from odoo import api, fields, models
from odoo.exceptions import UserError

from .. import acrel_pricing as pricing
from ..money import RATE_DIGITS, decimal_of


class AcrelBill(models.Model):
    """From priced lines to a posted bill, and back."""

    _inherit = "acrel.bill"

    @api.model
    def _settle(self, sessions, version=None, **vals):
        """Bill ended sessions of one payer, posted and paid; no bill when there was no energy.

        `version` prices them instead of the versions that were frozen at their starts; `vals` are
        field values of the bill.
        """
        sessions = sessions.sudo().sorted(lambda session: (session.start_at, session.id))
        for session in sessions:
            session._lock()
        sessions._check_settle()
        bills = self.sudo().with_company(sessions.company_id)
        bills._check_together(sessions)
        lines = bills._line_values(sessions, version)
        if not lines:
            sessions.filtered(lambda s: s.payment_mode == "prepaid")._release_hold()
            for session in sessions:
                session._set_settlement("settled", self.env._("There was no energy to bill."))
            return bills
        bill = bills.create({**bills._bill_values(sessions), **vals})
        self.env["acrel.bill.line"].sudo().create([{**line, "bill_id": bill.id} for line in lines])
        bill._post()
        for session in sessions:
            session._set_settlement("settled")
        bill._pay_from_wallet()
        return bill

    @api.model
    def _check_together(self, sessions):
        """Refuse sessions that no single bill can hold."""
        for field in ("company_id", "payer_id", "payment_mode", "station_id"):
            if len({session[field] for session in sessions}) != 1:
                raise UserError(
                    self.env._(
                        "Sessions %(sessions)s cannot stand on one bill: %(field)s differs.",
                        sessions=", ".join(sessions.mapped("name")),
                        field=sessions._fields[field]._description_string(self.env),
                    )
                )

    @api.model
    def _bill_values(self, sessions):
        """Return the head of the bill of some sessions."""
        first = sessions[:1]
        return {
            "company_id": first.company_id.id,
            "currency_id": first.company_id.currency_id.id,
            "partner_id": first.payer_id.id,
            "payment_mode": first.payment_mode,
            "station_id": first.station_id.id,
            "revenue_date": self._revenue_date(sessions),
        }

    @api.model
    def _revenue_date(self, sessions):
        """Return the local day of the last end, on the company's clock."""
        first = sessions[:1]
        clock = ZoneInfo(first.company_id.partner_id.tz or first.station_id.tz)
        return pricing.as_utc(max(sessions.mapped("end_at"))).astimezone(clock).date()

    @api.model
    def _line_values(self, sessions, version=None):
        """Return the values of the lines; tax is that of the whole bill, shared by its lines."""
        priced = [
            (session, used, position, line)
            for session in sessions
            for used in [version or session.tariff_version_id]
            for position, line in enumerate(session._priced_lines(used))
        ]
        taxes = [used.tariff_id._fee_tax(line.fee) for _session, used, _position, line in priced]
        rates = [decimal_of(tax.amount, RATE_DIGITS) for tax in taxes]
        shares = pricing.share_tax(
            [(line.gross, rate) for (*_rest, line), rate in zip(priced, rates, strict=True)]
        )
        return [
            {
                "sequence": sequence,
                "position": position,
                "session_id": session.id,
                "tariff_version_id": used.id,
                **self._priced_values(line),
                "tax_id": tax.id,
                "tax_rate": float(rate),
                "net_fen": line.gross - share,
                "tax_fen": share,
            }
            for sequence, ((session, used, position, line), tax, rate, share) in enumerate(
                zip(priced, taxes, rates, shares, strict=True)
            )
        ]

    @api.model
    def _priced_values(self, line):
        """Return a priced line as the field values that a replay must find again."""
        return {
            "day": line.day,
            "start_at": line.start.replace(tzinfo=None, microsecond=0),
            "end_at": line.end.replace(tzinfo=None, microsecond=0),
            "period_kind": line.kind,
            "fee_kind": line.fee,
            "start_wh": line.start_wh,
            "end_wh": line.end_wh,
            "energy_wh": line.wh,
            "price": float(line.price),
            "gross_fen": line.gross,
        }

    # === credit ===

    def _credit(self, reason):
        """Reverse posted bills by credits that give back everything; return the credits."""
        credits = self.browse()
        for bill in self.sudo():
            bill.lock_for_update()
            if bill.state != "posted" or bill.reverses_id:
                raise UserError(self.env._("Bill %s cannot be credited.", bill.name))
            credit = bill.create(
                {
                    **{
                        field: bill._fields[field].convert_to_write(bill[field], bill)
                        for field in self._credited_fields()
                    },
                    "reverses_id": bill.id,
                    "credit_reason": reason,
                    "revenue_date": fields.Date.context_today(
                        bill.with_context(tz=bill.company_id.partner_id.tz or bill.station_id.tz)
                    ),
                }
            )
            self.env["acrel.bill.line"].sudo().create(
                [line._credit_values(credit) for line in bill.line_ids]
            )
            credit._post()
            bill.write({"state": "credited"})
            bill.line_ids.flush_recordset()
            for session in bill.session_ids:
                session._set_settlement("pending", self.env._("Bill %s was credited.", bill.name))
            credit._pay_from_wallet()
            credits |= credit
        return credits

    @api.model
    def _credited_fields(self):
        """Return what a credit takes over from its bill."""
        return [
            "kind",
            "company_id",
            "currency_id",
            "partner_id",
            "role",
            "payment_mode",
            "station_id",
        ]

    def _rebill(self, version=None):
        """Bill the sessions of a credited bill again, by another version where one is given."""
        self.ensure_one()
        if self.state != "credited":
            raise UserError(self.env._("Bill %s stands; credit it first.", self.name))
        return self._settle(self.session_ids, version=version, kind=self.kind)

    # === replay ===

    def _replay(self):
        """Recompute from stored readings and the versions used; return what differs, in words."""
        self.ensure_one()
        bill = self.sudo().reverses_id or self.sudo()
        differences = []
        again = [
            self._priced_values(line)
            for session, lines in bill.line_ids.sorted("sequence").grouped("session_id").items()
            for line in session._priced_lines(lines.tariff_version_id)
        ]
        kept = bill.line_ids.sorted("sequence")
        if len(again) != len(kept):
            differences.append(
                self.env._(
                    "The bill has %(kept)s lines, the readings give %(again)s.",
                    kept=len(kept),
                    again=len(again),
                )
            )
        taxes = pricing.share_tax(
            [
                (values["gross_fen"], decimal_of(line.tax_rate, RATE_DIGITS))
                for values, line in zip(again, kept, strict=False)
            ]
        )
        for values, line, tax in zip(again, kept, taxes, strict=False):
            for field, value in {**values, "tax_fen": tax}.items():
                if line[field] != value:
                    differences.append(
                        self.env._(
                            "Line %(line)s: %(field)s is %(kept)s on the bill, %(again)s again.",
                            line=line.sequence + 1,
                            field=line._fields[field]._description_string(self.env),
                            kept=line[field],
                            again=value,
                        )
                    )
        return differences

    def action_replay(self):
        """Recompute the bill and say whether it comes out to the same fen."""
        self.ensure_one()
        differences = self._replay()
        if differences:
            raise UserError("\n".join(differences))
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "Computed again from the stored readings, bill %s is the same to the fen.",
                    self.name,
                ),
            },
        }


class AcrelBillLine(models.Model):
    """The line of a credit."""

    _inherit = "acrel.bill.line"

    def _credit_values(self, credit):
        """Return the values of the line that takes this one back."""
        self.ensure_one()
        same = (
            "sequence",
            "position",
            "session_id",
            "tariff_version_id",
            "day",
            "start_at",
            "end_at",
            "period_kind",
            "fee_kind",
            "start_wh",
            "end_wh",
            "price",
            "tax_id",
            "tax_rate",
        )
        reversed_fields = ("energy_wh", "gross_fen", "net_fen", "tax_fen")
        return {
            "bill_id": credit.id,
            **{name: self._fields[name].convert_to_write(self[name], self) for name in same},
            **{name: -self[name] for name in reversed_fields},
        }

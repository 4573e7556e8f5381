"""Journal entries made of the stored figures of bill lines."""

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from ..money import amount_of

FEE_KINDS = ("electricity", "service")


class AcrelBillPosting(models.Model):
    """How a group of bill lines of one tax becomes a journal entry."""

    _inherit = "acrel.bill.posting"

    def _tax_repartition(self, tax, document_type="invoice"):
        """Return the one repartition line of `tax` that carries its amount.

        Stored tax amounts cannot be split over several accounts without computing them again.
        """
        lines = tax[f"{document_type}_repartition_line_ids"].filtered(
            lambda line: line.repartition_type == "tax"
        )
        if len(lines) != 1 or not lines.account_id:
            raise UserError(
                self.env._(
                    "The tax %(tax)s cannot be used for charging: it must book on exactly one "
                    "account. Change its distribution, or choose another tax under Settings, "
                    "Charging Billing.",
                    tax=tax.display_name,
                )
            )
        return lines

    def _entry_lines(self, company, tax, lines, label, sign=1):
        """Return the lines of an entry: liability against revenue and tax, as stored.

        :param sign: 1 books the lines, -1 takes them back
        """
        sums = self._sums(lines, sign)
        values = [
            {
                "account_id": company.acrel_liability_account_id.id,
                "name": label,
                "balance": amount_of(sums["gross_fen"]),
            }
        ]
        kinds = dict(lines._fields["fee_kind"]._description_selection(self.env))
        base = tax.invoice_repartition_line_ids.filtered(
            lambda line: line.repartition_type == "base"
        )
        for fee_kind in FEE_KINDS:
            of_kind = lines.filtered(lambda line, kind=fee_kind: line.fee_kind == kind)
            if of_kind:
                values.append(
                    {
                        "account_id": company.acrel_revenue_account_id.id,
                        "name": f"{label} · {kinds[fee_kind]}",
                        "balance": -amount_of(sign * sum(of_kind.mapped("net_fen"))),
                        "tax_ids": [Command.set(tax.ids)],
                        "tax_tag_ids": [Command.set(base.tag_ids.ids)],
                    }
                )
        if sums["tax_fen"]:
            repartition = self._tax_repartition(tax)
            values.append(
                {
                    "account_id": repartition.account_id.id,
                    "name": tax.name,
                    "display_type": "tax",
                    "balance": -amount_of(sums["tax_fen"]),
                    "tax_repartition_line_id": repartition.id,
                    "tax_tag_ids": [Command.set(repartition.tag_ids.ids)],
                    "tax_base_amount": -amount_of(sums["net_fen"]),
                }
            )
        return values

    def _create_entry(self, company, tax, lines, date, label, sign=1):
        """Post an entry of `lines` on the first open day from `date` and return it.

        Takes back what was booked as negative debits and credits where the company does so
        (red entries, 红字).
        """
        journal = company.acrel_journal_id
        storno = company.account_storno and sign * sum(lines.mapped("gross_fen")) < 0
        move = (
            self.env["account.move"]
            .with_company(company)
            .create(
                {
                    "move_type": "entry",
                    "journal_id": journal.id,
                    "date": company._acrel_open_date(date, journal, bool(tax)),
                    "ref": label,
                    "line_ids": [
                        Command.create({**values, "is_storno": storno})
                        for values in self._entry_lines(company, tax, lines, label, sign)
                    ],
                }
            )
        )
        move._post(soft=False)
        self._check_move(move, lines, sign)
        return move

    def _check_move(self, move, lines, sign=1):
        """Refuse an entry in which Odoo has booked other figures than those of the bills."""
        currency = move.company_currency_id
        for tax, of_tax in lines.grouped("tax_id").items():
            stored = -amount_of(sign * sum(of_tax.mapped("tax_fen")))
            booked = sum(
                move.line_ids.filtered(
                    lambda line, tax=tax: line.tax_line_id and line.tax_line_id == tax
                ).mapped("balance")
            )
            if currency.compare_amounts(booked, stored) != 0:
                raise UserError(
                    self.env._(
                        "%(entry)s would book %(booked)s of %(tax)s, but the bills carry "
                        "%(stored)s. Nothing was booked.",
                        entry=move.display_name,
                        booked=currency.format(-booked),
                        tax=tax.display_name or self.env._("no tax"),
                        stored=currency.format(-stored),
                    )
                )
        gross = amount_of(sign * sum(lines.mapped("gross_fen")))
        if move.move_type == "entry":
            # Odoo's total of an entry sums all debits: of mixed signs, it is not the gross amount.
            liability = move.company_id.acrel_liability_account_id
            booked = sum(
                move.line_ids.filtered(lambda line: line.account_id == liability).mapped("balance")
            )
        else:
            gross, booked = abs(gross), abs(move.amount_total)
        if currency.compare_amounts(booked, gross) != 0:
            raise UserError(
                self.env._(
                    "%(entry)s would book %(booked)s, but the bills carry %(stored)s. Nothing was "
                    "booked.",
                    entry=move.display_name,
                    booked=currency.format(booked),
                    stored=currency.format(gross),
                )
            )

    def _post_day(self, company, station, tax, revenue_date, lines):
        """Write the daily entry of a station, a tax and a day."""
        label = self.env._(
            "Charging %(station)s, %(date)s",
            station=station.name,
            date=fields.Date.to_string(revenue_date),
        )
        move = self._create_entry(company, tax, lines, revenue_date, label)
        return self._record(
            move,
            "daily",
            lines,
            station_id=station.id,
            tax_id=tax.id,
            revenue_date=revenue_date,
        )

    def _reverse_lines(self, lines, date):
        """Take `lines` back out of this daily entry, on `date`."""
        self.ensure_one()
        label = self.env._("%(entry)s, invoiced", entry=self.move_id.name)
        items = self.env["acrel.bill.posting.item"].search(
            [("bill_line_id", "in", lines.ids), ("posting_id", "=", self.id), ("live", "=", True)]
        )
        items.write({"live": False})
        items.flush_recordset()
        move = self._create_entry(self.company_id, self.tax_id, lines, date, label, sign=-1)
        return self._record(
            move,
            "reversal",
            lines,
            station_id=self.station_id.id,
            tax_id=self.tax_id.id,
            revenue_date=self.revenue_date,
        )

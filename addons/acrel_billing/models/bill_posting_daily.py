"""Which bill lines wait for a daily entry, and the pass that writes them."""

from datetime import UTC
from zoneinfo import ZoneInfo

from psycopg2 import IntegrityError

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

BUTTON_GROUPS = 100
# For a company whose own address names no time zone.
CLOCK = "Asia/Shanghai"


class AcrelBillPosting(models.Model):
    """The daily entries: one a company, station, tax and revenue date."""

    _inherit = "acrel.bill.posting"

    @api.model
    def _waiting_groups(self, company, until, bills=None):
        """Return (station id, tax id, revenue date, line ids) of what waits, oldest day first.

        Post-paid bills never wait: they go to an invoice. Nor do credits of invoiced bills: they
        become credit notes.
        """
        self.env.flush_all()
        self.env.cr.execute(
            """
            SELECT bill.station_id, line.tax_id, bill.revenue_date,
                   array_agg(line.id ORDER BY line.id)
              FROM acrel_bill_line line
              JOIN acrel_bill bill ON bill.id = line.bill_id
             WHERE bill.company_id = %(company)s
               AND bill.payment_mode = 'prepaid'
               AND bill.state IN ('posted', 'credited')
               AND bill.revenue_date <= %(until)s
               AND (%(bills)s IS NULL OR bill.id = ANY(%(bills)s))
               AND NOT EXISTS (SELECT FROM acrel_bill_posting_item item
                                WHERE item.bill_line_id = line.id AND item.live)
               AND NOT EXISTS (SELECT FROM acrel_bill_posting_item item
                                WHERE item.bill_id = bill.reverses_id AND item.live
                                  AND item.kind = 'invoice')
             GROUP BY bill.station_id, line.tax_id, bill.revenue_date
             ORDER BY bill.revenue_date, bill.station_id, line.tax_id
            """,
            {"company": company.id, "until": until, "bills": bills and bills.ids},
        )
        return self.env.cr.fetchall()

    @api.model
    def _post_groups(self, company, groups):
        """Write one daily entry for each group."""
        company._acrel_check_accounting()
        postings = self.browse()
        for station, tax, date, lines in groups:
            postings += self._post_day(
                company,
                self.env["acrel.station"].browse(station),
                self.env["account.tax"].browse(tax),
                date,
                self.env["acrel.bill.line"].browse(lines),
            )
        return postings

    @api.model
    def _try_groups(self, company, groups):
        """Write the daily entries that can be written; accountants hear of the others."""
        postings = self.browse()
        for group in groups:
            try:
                with self.env.cr.savepoint():
                    postings += self._post_groups(company, [group])
            except (UserError, IntegrityError) as error:
                *_key, lines = group
                self.env["acrel.bill.line"].browse(lines[:1]).bill_id._tell_unposted(error)
        return postings

    @api.model
    def _post_waiting(self, company, until, bills=None):
        """Write every daily entry of `company` up to and including `until`."""
        return self._post_groups(company, self._waiting_groups(company, until, bills))

    @api.model
    def _today(self, company):
        """Return the day it is in the company's time zone."""
        clock = ZoneInfo(company.partner_id.tz or CLOCK)
        return fields.Datetime.now().replace(tzinfo=UTC).astimezone(clock).date()

    @api.model
    def _cron_post_daily(self):
        """Write the daily entries of the days that are over, and the credit notes that wait."""
        cron = self.env["ir.cron"]
        companies = (
            self.env["res.company"]
            .search([("acrel_journal_id", "!=", False)])
            .filtered(lambda company: not company._acrel_accounting_missing())
        )
        work = [
            (company, group)
            for company in companies
            for group in self._waiting_groups(
                company, fields.Date.subtract(self._today(company), days=1)
            )
        ]
        cron._commit_progress(remaining=len(work))
        for company, group in work:
            self._try_groups(company, [group])
            if not cron._commit_progress(1):
                return
        for company in companies:
            self.env["acrel.bill"]._waiting_credits(company)._try_credit_notes()

    @api.model
    def action_post_now(self):
        """Write the daily entries that wait, today's included, and say how far it came.

        More than a screen can wait for is left to the scheduled action, which goes on at once.
        """
        if not self.env.su and not self.env.user.has_group("account.group_account_invoice"):
            raise AccessError(self.env._("Only accountants post charging bills."))
        company = self.env.company
        postings = self.sudo()
        company_sudo = company.sudo()
        company_sudo._acrel_check_accounting()
        groups = postings._waiting_groups(company_sudo, postings._today(company_sudo))
        tried = groups[:BUTTON_GROUPS]
        written = postings._try_groups(company_sudo, tried)
        credits = self.env["acrel.bill"].sudo()._waiting_credits(company_sudo)
        notes = credits._try_credit_notes()
        failed = len(tried) - len(written) + len(credits) - len(notes)
        left = len(groups) > len(tried)
        if left:
            self.env.ref("acrel_billing.cron_post_daily").sudo()._trigger()
        if failed:
            message = self.env._(
                "%(failed)s entries or credit notes cannot be posted. The chatter of the bills "
                "says why.",
                failed=failed,
            )
        elif left:
            message = self.env._(
                "%(written)s of %(all)s entries are posted. The rest follows in the background.",
                written=len(written),
                all=len(groups),
            )
        elif written or notes:
            message = self.env._(
                "%(written)s daily entries and %(notes)s credit notes are posted.",
                written=len(written),
                notes=len(notes),
            )
        else:
            message = self.env._("No bill waits to be posted.")
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if failed else "success" if written or notes else "info",
                "message": message,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

"""A payer asks for the invoice of a bill."""

import re

from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from .bill import BillPortal

# A unified social credit code has 18 signs; older tax numbers have 15 to 20.
TAX_ID = re.compile(r"[0-9A-Z]{15,20}")


class BillInvoicePortal(BillPortal):
    """The button beside a bill, with the business that the invoice shall name."""

    @http.route(
        "/my/bills/<int:bill_id>/invoice",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def portal_bill_invoice(self, bill_id, title="", tax_id="", **_kw):
        """Post the invoice of one's own bill and show it."""
        bill = request.env["acrel.bill"].search(
            [*self._bill_domain(), ("id", "=", bill_id), *self._own_bills()]
        )
        if not bill:
            return request.redirect("/my/bills", code=303)
        bill = bill.sudo()
        try:
            with request.env.cr.savepoint():
                invoice = bill.invoice_id or bill._make_invoice(
                    self._invoice_contact(bill.partner_id, title, tax_id)
                )
        except UserError as error:
            values = self._get_page_view_values(
                bill,
                None,
                {"page_name": "charging_bill", "bill": bill, "invoice_error": str(error)},
                "my_charging_bills_history",
                False,
            )
            return request.render("acrel_billing.portal_bill", values, status=422)
        return request.redirect(invoice.sudo().get_portal_url(), code=303)

    def _own_bills(self):
        """Return the bills of the payer who is logged in, staff included."""
        partner = request.env.user.partner_id
        return [("partner_id", "in", [partner.id, partner.commercial_partner_id.id])]

    def _invoice_contact(self, payer, title, tax_id):
        """Return whom the invoice names: the payer, or a business of his that he names."""
        title = title.strip()[:128]
        tax_id = tax_id.replace(" ", "").upper()
        if not title and not tax_id:
            return payer
        if not title or not TAX_ID.fullmatch(tax_id):
            raise UserError(
                request.env._(
                    "A business invoice needs the name of the business and its tax number of 15 "
                    "to 20 letters and digits."
                )
            )
        contacts = payer.child_ids.filtered(
            lambda child: child.type == "invoice" and child.vat == tax_id and child.name == title
        )
        return contacts[:1] or payer.create(
            {
                "name": title,
                "vat": tax_id,
                "type": "invoice",
                "is_company": True,
                "parent_id": payer.id,
                "country_id": payer.country_id.id,
            }
        )

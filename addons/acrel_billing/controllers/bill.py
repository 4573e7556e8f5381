"""A payer's bills on the portal."""

from odoo.exceptions import AccessError, MissingError
from odoo.fields import Domain
from odoo.http import request, route

from odoo.addons.portal.controllers.portal import CustomerPortal, pager

PAGE = 20


class BillPortal(CustomerPortal):
    """The list of one's bills, and each of them."""

    def _bill_domain(self):
        """Return which bills a payer finds on his list; record rules keep them to his own."""
        return Domain("state", "in", ("posted", "credited"))

    def _prepare_home_portal_values(self, counters):
        """Override to count the bills on the card of the home page."""
        values = super()._prepare_home_portal_values(counters)
        if "charging_bill_count" in counters:
            values["charging_bill_count"] = request.env["acrel.bill"].search_count(
                self._bill_domain()
            )
        return values

    @route(
        ["/my/bills", "/my/bills/page/<int:page>"],
        type="http",
        auth="user",
        website=True,
        readonly=True,
    )
    def portal_my_bills(self, page=1, **_kwargs):
        """Show a page of the payer's bills, the newest first."""
        bills = request.env["acrel.bill"]
        domain = self._bill_domain()
        paging = pager("/my/bills", bills.search_count(domain), page, step=PAGE)
        found = bills.search(domain, limit=PAGE, offset=paging["offset"], order="id desc")
        request.session["my_charging_bills_history"] = found.ids[:100]
        values = self._prepare_portal_layout_values()
        values |= {
            "bills": found.sudo(),
            "pager": paging,
            "page_name": "charging_bill",
            "default_url": "/my/bills",
        }
        return request.render("acrel_billing.portal_my_bills", values)

    @route("/my/bills/<int:bill_id>", type="http", auth="public", website=True)
    def portal_my_bill(
        self, bill_id, access_token=None, report_type=None, download=False, **kwargs
    ):
        """Show a bill to its payer, or to whoever has its link; as PDF where asked for."""
        try:
            bill = self._document_check_access("acrel.bill", bill_id, access_token)
        except (AccessError, MissingError):
            return request.redirect("/my")
        if bill.state == "draft":
            return request.redirect("/my")
        if report_type in ("html", "pdf", "text"):
            return self._show_report(
                model=bill,
                report_type=report_type,
                report_ref="acrel_billing.action_report_bill",
                download=download,
            )
        values = self._get_page_view_values(
            bill,
            access_token,
            {"page_name": "charging_bill", "bill": bill},
            "my_charging_bills_history",
            False,
            **kwargs,
        )
        return request.render("acrel_billing.portal_bill", values)

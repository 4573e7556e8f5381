"""A driver's wallet on the portal: balance, entries, refunds."""

from urllib.parse import urlsplit

from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from odoo.addons.payment.controllers.portal import PaymentPortal
from odoo.addons.portal.controllers.portal import pager

from ..money import amount_of, decimal_of

PAGE = 20
TOPUP_AMOUNTS = (20, 50, 100, 200)


def local_path(url):
    """Return `url` when it is a path on this server, else an empty string.

    Two slashes, a backslash or a control character would let a browser leave the server.
    """
    url = (url or "").strip()
    parts = urlsplit(url)
    is_local = (
        url.startswith("/")
        and not url.startswith("//")
        and not parts.scheme
        and not parts.netloc
        and "\\" not in url
        and url.isprintable()
    )
    return url if is_local else ""


class WalletPortal(PaymentPortal):
    """Pages of the driver who is logged in; another driver's wallet does not exist for him."""

    def _wallet_company(self, company=None):
        """Return the company whose wallet is meant: asked for, with a wallet, or the user's own.

        Only companies that have a wallet of the driver or a published station can be asked for.
        """
        partner = request.env.user.partner_id
        wallets = request.env["acrel.wallet"].sudo().search([("partner_id", "=", partner.id)])
        asked = request.env["res.company"].sudo().browse(self._cast_as_int(company) or 0).exists()
        if asked and (
            asked in wallets.company_id
            or request.env["acrel.station"]
            .sudo()
            .search_count([("company_id", "=", asked.id), ("portal_published", "=", True)], limit=1)
        ):
            return asked
        own = request.env.company.sudo()
        return own if own in wallets.company_id or not wallets else wallets[-1].company_id

    def _wallet_values(self, company=None, page=1, return_to="", error=None):
        """Return what the wallet's page shows."""
        partner = request.env.user.partner_id
        company = self._wallet_company(company)
        wallets = request.env["acrel.wallet"].sudo()
        wallet = wallets._of(partner, company)
        entries = request.env["acrel.wallet.entry"].sudo()
        domain = [("wallet_id", "=", wallet.id)]
        paging = pager(
            "/my/wallet",
            entries.search_count(domain),
            page,
            step=PAGE,
            url_args={"company": company.id},
        )
        return {
            **self._prepare_portal_layout_values(),
            "page_name": "charging_wallet",
            "company": company,
            "companies": wallets.search([("partner_id", "=", partner.id)]).company_id | company,
            "wallet": wallet,
            "currency": company.currency_id,
            "entries": entries.search(domain, limit=PAGE, offset=paging["offset"]),
            "pager": paging,
            "topup_amounts": [
                amount
                for amount in TOPUP_AMOUNTS
                if company.acrel_topup_minimum <= amount <= company.acrel_topup_maximum
            ],
            "return_to": local_path(return_to),
            "refunds": wallet.refund_ids.filtered(
                lambda refund: refund.state in ("requested", "sent")
            ),
            "error": error,
        }

    def _wallet_amount(self, text):
        """Return the fen of an amount that somebody typed, or raise a sentence."""
        try:
            value = float((text or "").strip().replace(",", "."))
        except ValueError:
            value = float("nan")
        if not 0 < value < 10**9:
            raise UserError(request.env._("Enter an amount in yuan, for example 50."))
        amount = decimal_of(value, 4).scaleb(2)
        if amount != amount.to_integral_value():
            raise UserError(request.env._("An amount has at most two decimals."))
        return int(amount)

    @http.route(
        ["/my/wallet", "/my/wallet/page/<int:page>"],
        type="http",
        auth="user",
        methods=["GET"],
        website=True,
    )
    def my_wallet(self, page=1, company=None, return_to="", **_kw):
        """Show the driver's wallet with a company."""
        return request.render(
            "acrel_billing.portal_my_wallet", self._wallet_values(company, page, return_to)
        )

    @http.route("/my/wallet/refund", type="http", auth="user", methods=["POST"], website=True)
    def my_wallet_refund(self, amount="", note="", company=None, **_kw):
        """Ask for a part of the balance back."""
        company = self._wallet_company(company)
        wallet = request.env["acrel.wallet"].sudo()._of(request.env.user.partner_id, company)
        try:
            if not wallet:
                raise UserError(request.env._("There is nothing in your wallet to give back."))
            if not note.strip():
                raise UserError(request.env._("Say where the money shall be paid to."))
            fen = self._wallet_amount(amount)
            with request.env.cr.savepoint():
                request.env["acrel.wallet.refund"].sudo()._request(wallet, fen, note.strip()[:500])
        except UserError as error:
            return request.render(
                "acrel_billing.portal_my_wallet",
                self._wallet_values(company.id, error=str(error)),
                status=422,
            )
        return request.redirect(f"/my/wallet?company={company.id}", code=303)

    @http.route(
        "/my/wallet/refund/<int:refund_id>/withdraw",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def my_wallet_refund_withdraw(self, refund_id, **_kw):
        """Take back one's own request for a refund."""
        refund = (
            request.env["acrel.wallet.refund"]
            .sudo()
            .search([("id", "=", refund_id), ("partner_id", "=", request.env.user.partner_id.id)])
        )
        if not refund:
            return request.redirect("/my/wallet", code=303)
        try:
            with request.env.cr.savepoint():
                refund._withdraw()
        except UserError as error:
            return request.render(
                "acrel_billing.portal_my_wallet",
                self._wallet_values(refund.company_id.id, error=str(error)),
                status=422,
            )
        return request.redirect(f"/my/wallet?company={refund.company_id.id}", code=303)

    def _wallet_amount_text(self, fen):
        """Return an amount as the payment form and its address carry it."""
        return f"{amount_of(fen):.2f}"

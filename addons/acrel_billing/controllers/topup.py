"""Top-ups through Odoo's payment form."""

from werkzeug.exceptions import BadRequest, Forbidden

from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from odoo.addons.payment import utils as payment_utils

from ..models.wallet import CURRENCY
from ..money import amount_of, fen_of
from .wallet import WalletPortal, local_path


class TopupPortal(WalletPortal):
    """From an amount to a payment and back to the page that the driver came from."""

    def _check_topup(self, company, fen):
        """Refuse what cannot be topped up, with a sentence."""
        if company.currency_id.name != CURRENCY:
            raise UserError(
                request.env._("%(company)s cannot take top-ups in yuan.", company=company.name)
            )
        if sentence := company._acrel_accounting_missing():
            # Drivers cannot act on the sentence for accountants.
            raise UserError(
                request.env._("%(company)s does not take top-ups yet.", company=company.name)
                if not request.env.user._is_internal()
                else sentence
            )
        low, high = fen_of(company.acrel_topup_minimum), fen_of(company.acrel_topup_maximum)
        if not low <= fen <= high:
            currency = company.currency_id
            raise UserError(
                request.env._(
                    "A top-up is from %(low)s to %(high)s.",
                    low=currency.format(amount_of(low)),
                    high=currency.format(amount_of(high)),
                )
            )

    def _topup_token(self, company, fen):
        """Return the token that binds driver, company and amount of a payment form."""
        return payment_utils.generate_access_token(
            "acrel_topup", request.env.user.partner_id.id, company.id, fen
        )

    @http.route("/my/wallet/pay", type="http", auth="user", methods=["GET"], website=True)
    def wallet_pay(self, amount="", other="", company=None, return_to="", **_kw):
        """Show the payment form for an amount; `other` is what was typed beside the buttons."""
        company = self._wallet_company(company)
        try:
            fen = self._wallet_amount(other.strip() or amount)
            self._check_topup(company, fen)
        except UserError as error:
            return request.render(
                "acrel_billing.portal_my_wallet",
                self._wallet_values(company.id, return_to=return_to, error=str(error)),
                status=422,
            )
        return request.render(
            "acrel_billing.portal_wallet_pay", self._topup_values(company, fen, return_to)
        )

    def _topup_values(self, company, fen, return_to):
        """Return the context of Odoo's payment form for a top-up."""
        partner = request.env.user.partner_id
        amount = amount_of(fen)
        currency = company.currency_id
        report = {}
        providers = (
            request.env["payment.provider"]
            .sudo()
            ._get_compatible_providers(
                company.id, partner.id, amount, currency_id=currency.id, report=report
            )
        )
        methods = (
            request.env["payment.method"]
            .sudo()
            ._get_compatible_payment_methods(
                providers.ids, partner.id, currency_id=currency.id, report=report
            )
        )
        return {
            "page_name": "charging_wallet_pay",
            "company": company,
            "res_company": company,
            "company_mismatch": not self._can_partner_pay_in_company(partner, company),
            "expected_company": company,
            "show_tokenize_input_mapping": self._compute_show_tokenize_input_mapping(providers),
            "reference_prefix": payment_utils.singularize_reference_prefix(prefix="TOPUP"),
            "amount": amount,
            "currency": currency,
            "partner_id": partner.id,
            "providers_sudo": providers,
            "payment_methods_sudo": methods,
            "tokens_sudo": request.env["payment.token"]
            .sudo()
            ._get_available_tokens(providers.ids, partner.id),
            "availability_report": report,
            "transaction_route": f"/my/wallet/transaction/{company.id}",
            # Only the server's own landing page is ever used; this carries the page to return to.
            "landing_route": local_path(return_to) or "/my/wallet",
            "access_token": self._topup_token(company, fen),
        }

    @http.route("/my/wallet/transaction/<int:company_id>", type="jsonrpc", auth="user")
    def wallet_transaction(self, company_id, amount, access_token, landing_route="", **kwargs):
        """Create the transaction of a top-up; amount and company must be those of the form."""
        company = request.env["res.company"].sudo().browse(company_id).exists()
        fen = fen_of(float(amount or 0))
        if not company or not payment_utils.check_access_token(
            access_token, "acrel_topup", request.env.user.partner_id.id, company.id, fen
        ):
            raise Forbidden()
        self._check_topup(company, fen)
        self._validate_transaction_kwargs(kwargs)
        if kwargs.pop("is_validation", False):
            raise BadRequest()
        values = self._topup_values(company, fen, landing_route)
        if kwargs.get("provider_id") not in values["providers_sudo"].ids:
            raise Forbidden()
        partner = request.env.user.partner_id
        wallet = request.env["acrel.wallet"].sudo()._ensure(partner, company)
        tx_sudo = self._create_transaction(
            amount=values["amount"],
            currency_id=values["currency"].id,
            partner_id=partner.id,
            landing_route="/my/wallet",
            reference_prefix=values["reference_prefix"],
            custom_create_values={
                "acrel_wallet_id": wallet.id,
                "acrel_return_to": local_path(landing_route),
            },
            **kwargs,
        )
        tx_sudo.landing_route = f"/my/wallet/topup/{tx_sudo.id}"
        return tx_sudo._get_processing_values()

    @http.route(
        "/my/wallet/topup/<int:tx_id>", type="http", auth="user", methods=["GET"], website=True
    )
    def wallet_topup_result(self, tx_id, **_kw):
        """Say how the payment ended; a paid one leads back to where the driver came from."""
        tx_sudo = (
            request.env["payment.transaction"]
            .sudo()
            .search(
                [
                    ("id", "=", tx_id),
                    ("acrel_wallet_id.partner_id", "=", request.env.user.partner_id.id),
                ]
            )
        )
        if not tx_sudo:
            return request.redirect("/my/wallet")
        company = tx_sudo.acrel_wallet_id.company_id
        wallet_page = f"/my/wallet?company={company.id}"
        return_to = local_path(tx_sudo.acrel_return_to)
        if tx_sudo.state == "done" and tx_sudo.is_post_processed:
            return request.redirect(return_to or wallet_page)
        return request.render(
            "acrel_billing.portal_wallet_topup",
            {
                "page_name": "charging_wallet_pay",
                "tx": tx_sudo,
                "company": company,
                "wallet_page": wallet_page,
                "return_to": return_to,
            },
        )

"""What the payment framework asks of an Alipay transaction: reference, amounts, states."""

import re
import secrets
import time
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.payment import utils as payment_utils
from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..alipay_gateway import fen

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
DOCUMENT_LETTERS = 17


class PaymentTransaction(models.Model):
    """A payment or refund at Alipay."""

    _inherit = "payment.transaction"

    alipay_cn_trade_type = fields.Selection(
        string="Alipay Product",
        selection=[
            ("page", "Web page"),
            ("wap", "Phone page"),
            ("precreate", "QR code"),
            ("mini", "Mini program"),
        ],
        readonly=True,
    )
    alipay_cn_app_id = fields.Char(string="Alipay Application", readonly=True)
    alipay_cn_gateway = fields.Char(string="Alipay Gateway", readonly=True)
    alipay_cn_went_back = fields.Boolean(string="Paid and Refunded Elsewhere", readonly=True)
    alipay_cn_refund_told = fields.Char(string="Refund Sum Told by Alipay", readonly=True)
    alipay_cn_qr_code = fields.Char(string="Alipay QR Code", readonly=True)
    alipay_cn_expires_at = fields.Datetime(string="To Be Paid by Alipay Until", readonly=True)
    alipay_cn_next_query_at = fields.Datetime(
        string="Alipay Asked Next", readonly=True, index="btree_not_null"
    )
    alipay_cn_query_count = fields.Integer(string="Alipay Asked", readonly=True)

    @api.model
    def _get_specific_create_values(self, provider_code, values):
        """Override of `payment`: until when the payer may pay."""
        result = super()._get_specific_create_values(provider_code, values)
        if provider_code != const.CODE or values.get("operation") == "refund":
            return result
        provider = self.env["payment.provider"].browse(values["provider_id"])
        minutes = timedelta(minutes=provider.alipay_cn_expiry_minutes)
        return {**result, "alipay_cn_expires_at": fields.Datetime.now() + minutes}

    @api.model
    def _compute_reference(self, provider_code, prefix=None, separator="-", **kwargs):
        """Override of `payment`: letters, digits and `_` only, at most 64 (Alipay's out_trade_no).

        A payment: the document's name, then milliseconds and random letters in base 36, so that two
        databases may share a merchant. A refund: `R_<reference of the payment>` and a number; the
        same refund made anew after a failure has the same one, and Alipay counts it once.
        """
        if provider_code != const.CODE:
            return super()._compute_reference(provider_code, prefix, separator, **kwargs)
        if prefix and prefix[:2] in ("R-", "P-") and self._alipay_cn_by_number(prefix[2:]):
            return super()._compute_reference(
                provider_code, prefix=f"{prefix[0]}_{prefix[2:]}", separator="_"
            )
        document = prefix or self.sudo()._compute_reference_prefix(separator, **kwargs) or "tx"
        letters = re.sub(r"[^0-9A-Za-z]+", "_", document)[-DOCUMENT_LETTERS:].strip("_") or "tx"
        moment = _base36(time.time_ns() // 1_000_000).rjust(8, "0")
        chance = "".join(secrets.choice(_BASE36) for _digit in range(4))
        return super()._compute_reference(
            provider_code, prefix=f"{letters}_{moment}{chance}", separator="_"
        )

    @api.model
    def _alipay_cn_by_number(self, number):
        """Return the Alipay transaction with this order or refund number."""
        return self.sudo().search(
            [("reference", "=", number), ("provider_code", "=", const.CODE)], limit=1
        )

    @api.model
    def _extract_reference(self, provider_code, payment_data):
        """Override of `payment`: the refund's number, or the order's."""
        if provider_code != const.CODE:
            return super()._extract_reference(provider_code, payment_data)
        return payment_data.get("refund_number") or payment_data.get("out_trade_no")

    def _extract_amount_data(self, payment_data):
        """Override of `payment`: yuan of the order or the refund; None while nothing was paid."""
        if self.provider_code != const.CODE:
            return super()._extract_amount_data(payment_data)
        if self.operation == "refund":
            if payment_data.get("refund_status") != "REFUND_SUCCESS":
                return None
            amount = payment_data.get("refund_amount")
        else:
            if payment_data.get("trade_status") not in const.PAID:
                return None
            amount = payment_data.get("total_amount")
        return {
            "amount": _major(amount, self.currency_id),
            "currency_code": _currency(payment_data),
        }

    def _validate_amount(self, payment_data):
        """Override of `payment`: the same check, with a sentence that tells both amounts."""
        if self.provider_code != const.CODE:
            return super()._validate_amount(payment_data)
        if problem := self._alipay_cn_difference(payment_data):
            self._set_error(problem)
        return None

    def _alipay_cn_fen(self):
        """Return the amount in whole fen, positive for refunds too."""
        return payment_utils.to_minor_currency_units(abs(self.amount), self.currency_id)

    def _alipay_cn_lock(self):
        """Lock the rows until the end of the database transaction, sources before refunds.

        Another delivery of the same event waits here. If it changed the row, PostgreSQL refuses
        this one's older view and Odoo runs the request again, which then sees the new state.
        """
        ids = sorted({*self.ids, *self.source_transaction_id.ids})
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT id FROM payment_transaction WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
            [ids],
            log_exceptions=False,  # losing a race is no fault: the request runs again
        )
        (self | self.source_transaction_id).invalidate_recordset()

    def _apply_updates(self, payment_data):
        """Override of `payment`: the gateway's word about an order or a refund.

        The framework checks the amount only once: a second delivery of a wrong one comes through to
        here, so it is checked again.
        """
        if self.provider_code != const.CODE:
            return super()._apply_updates(payment_data)
        if self._alipay_cn_difference(payment_data):
            return None
        if self.operation == "refund":
            return self._alipay_cn_apply_refund(payment_data)
        status = payment_data.get("trade_status")
        if status in const.PAID:
            self._alipay_cn_apply_paid(payment_data)
        elif status == const.CLOSED and self.state in ("draft", "pending"):
            if payment_data.get("gmt_payment") or payment_data.get("send_pay_date"):
                self.alipay_cn_went_back = True
            self._alipay_cn_settled()
            self._set_canceled(self.env._("The order was closed at Alipay."))
        elif status not in (const.WAITING, const.CLOSED):
            _logger.warning(
                "Alipay gives order %s a status that is not documented; left as it is.",
                self.reference,
            )
        return None

    def _alipay_cn_difference(self, payment_data):
        """Return a sentence when amount or currency differ from what was ordered, else None."""
        told = self._extract_amount_data(payment_data)
        if told is None:
            return None
        if told["currency_code"] != self.currency_id.name:
            return self.env._(
                "Alipay reports the currency %(told)s for an order in %(ordered)s. The payment was "
                "not taken: look at the order in Alipay's merchant centre.",
                told=told["currency_code"],
                ordered=self.currency_id.name,
            )
        expected = abs(self.amount)
        if not told["amount"] or self.currency_id.compare_amounts(told["amount"], expected):
            return self.env._(
                "Alipay reports %(told)s yuan where %(ordered)s yuan were ordered. It was not "
                "taken: look at the order in Alipay's merchant centre.",
                told=told["amount"] or "?",
                ordered=expected,
            )
        return None

    def _alipay_cn_apply_paid(self, payment_data):
        trade_no = payment_data.get("trade_no")
        if self.state == "done":
            if trade_no and self.provider_reference and trade_no != self.provider_reference:
                _logger.warning(
                    "Order %s is paid by trade %s; trade %s of the same number was not counted.",
                    self.reference,
                    self.provider_reference,
                    trade_no,
                )
            return
        if self.alipay_cn_went_back:
            _logger.info(
                "Order %s was paid and refunded entirely before it was known here; an older "
                "notification of the payment was not counted.",
                self.reference,
            )
            return
        self.provider_reference = trade_no
        self._alipay_cn_settled()
        if self.state == "cancel":
            self._alipay_cn_take_late()
        else:
            self._set_done()

    def _alipay_cn_take_late(self):
        """Count a payment of a cancelled order, and refund it where the provider says so."""
        refund = self.env["payment.transaction"]
        what = self.env._("It was kept, as the payment provider's setting says.")
        if self.provider_id.alipay_cn_late_payment == "refund":
            try:
                with self.env.cr.savepoint():
                    refund = self._create_child_transaction(self.amount, is_refund=True)
            except UserError as problem:  # another add-on forbids to refund this payment
                what = self.env._("It was kept, since it cannot be refunded: %s", problem)
            else:
                what = self.env._("It is being refunded to the payer.")
        told = self.env._(
            "%(amount)s arrived by Alipay for %(ref)s, which was already cancelled. %(what)s",
            amount=self.currency_id.format(self.amount),
            ref=self.reference,
            what=what,
        )
        self._log_message_on_linked_documents(told)
        if refund:
            self._alipay_cn_detach_documents()
        self._set_done(state_message=told, extra_allowed_states=("cancel",))
        if refund:
            refund._alipay_cn_ask_at(fields.Datetime.now())

    def _alipay_cn_detach_documents(self):
        """Keep money that goes back from being applied to the documents it was meant for."""
        for name in ("invoice_ids", "sale_order_ids"):
            if name in self._fields:
                self[name] = False

    def _alipay_cn_settled(self):
        """Stop asking the gateway about it."""
        self.write({"alipay_cn_next_query_at": False})


def _base36(number):
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits


def _major(text, currency):
    """Return a gateway amount as Odoo's number, 0.0 when it is none."""
    try:
        return payment_utils.to_major_currency_units(fen(text or ""), currency)
    except ValueError:
        return 0.0


def _currency(payment_data):
    """Return the one currency that the gateway names; only trades abroad name any."""
    named = {
        payment_data[name]
        for name in ("trans_currency", "settle_currency", "pay_currency", "currency")
        if payment_data.get(name)
    }
    return "/".join(sorted(named)) or "CNY"

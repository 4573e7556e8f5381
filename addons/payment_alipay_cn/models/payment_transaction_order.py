"""An order at the gateway: placed, asked about, closed; what the payer's device needs."""

from datetime import timedelta

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools.urls import urljoin

from odoo.addons.payment import utils as payment_utils
from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..alipay_gateway import AnswerError, GatewayError, Refusal, beijing_text, yuan

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)

BATCH = 50
_NO_SUBJECT = str.maketrans(dict.fromkeys("/=&{}<>\"'\\\r\n\t", " "))


class PaymentTransaction(models.Model):
    """Orders of Alipay transactions."""

    _inherit = "payment.transaction"

    def _get_specific_rendering_values(self, processing_values):
        """Override of `payment`: where the payer's browser goes, our own page first."""
        if self.provider_code != const.CODE:
            return super()._get_specific_rendering_values(processing_values)
        return {
            "api_url": f"/payment/alipay_cn/pay/{self.id}",
            "access_token": self._alipay_cn_token(),
        }

    def _alipay_cn_token(self):
        """Return the word that opens this transaction's page to its payer."""
        return payment_utils.generate_access_token(
            self.partner_id.id, self.amount, self.currency_id.id, self.reference, env=self.env
        )

    def _alipay_cn_subject(self):
        """Return the title that the payer reads, without what Alipay or its SDKs stumble over."""
        words = f"{self.company_id.name} {self.reference}".translate(_NO_SUBJECT).split()
        return " ".join(words)[: const.SUBJECT_LENGTH]

    def _alipay_cn_order(self, product):
        """Return (content, top-level parameters) of the order, the same ones every time."""
        base_url = self.provider_id.get_base_url()
        content = {
            "out_trade_no": self.reference,
            "total_amount": yuan(self._alipay_cn_fen()),
            "subject": self._alipay_cn_subject(),
            "product_code": product,
            "time_expire": beijing_text(self.alipay_cn_expires_at),
        }
        notify_url = urljoin(base_url, f"/payment/alipay_cn/notify/{self.provider_id.id}")
        return content, {"notify_url": notify_url}

    def _alipay_cn_place(self, trade_type):
        """Remember which product the payer uses, and ask the gateway about it from now on."""
        if self.state != "draft":
            raise ValidationError(
                self.env._("The payment %(ref)s waits for no payer any more.", ref=self.reference)
            )
        self.write(
            {
                "alipay_cn_trade_type": trade_type,
                "alipay_cn_app_id": self._alipay_cn_app(),
                "alipay_cn_gateway": self.provider_id._alipay_cn_gateway(),
            }
        )
        if not self.alipay_cn_next_query_at:
            self._alipay_cn_ask_later()

    def _alipay_cn_app(self):
        return (self.provider_id.alipay_cn_app_id or "").strip()

    def _alipay_cn_page_link(self, trade_type):
        """Return the address of Alipay's own page: `page` (desk) or `wap` (phone)."""
        self._alipay_cn_place(trade_type)
        method, product = const.PRODUCTS[trade_type]
        content, top_level = self._alipay_cn_order(product)
        base_url = self.provider_id.get_base_url()
        own_page = urljoin(
            base_url, f"/payment/alipay_cn/pay/{self.id}?access_token={self._alipay_cn_token()}"
        )
        if trade_type == "wap":
            content["quit_url"] = own_page
        top_level["return_url"] = urljoin(base_url, f"/payment/alipay_cn/return/{self.id}")
        return self.provider_id._alipay_cn_link(method, content, **top_level)

    def _alipay_cn_qr(self):
        """Return the text of the QR code for this order, asking the gateway the first time only."""
        self._alipay_cn_place("precreate")
        if not self.alipay_cn_qr_code:
            method, product = const.PRODUCTS["precreate"]
            content, top_level = self._alipay_cn_order(product)
            answer = self._alipay_cn_ask(method, content, **top_level)
            self.alipay_cn_qr_code = answer["qr_code"]
        return self.alipay_cn_qr_code

    def _alipay_cn_client_parameters(self, buyer_open_id=None, buyer_id=None, op_app_id=None):
        """Place the order of a mini program and return what `my.tradePay` wants.

        For other add-ons: create the transaction as `payment` does (any operation but refund), then
        call this with the payer's number as `provider._alipay_cn_buyer(code)` returns it. Calling
        it again gives the same trade.

        :param str buyer_open_id: the payer's open_id (applications created since 2023), or
        :param str buyer_id: the payer's user id, 2088…
        :param str op_app_id: the mini program's APPID, where it is not the provider's own.
        :return: {"tradeNO": Alipay's trade number}
        :raise ValidationError: with a sentence, when the order cannot be placed.
        """
        self.ensure_one()
        if bool(buyer_open_id) == bool(buyer_id):
            raise ValidationError(
                self.env._("A mini program's payer is told by open_id or by user id, one of them.")
            )
        self._alipay_cn_place("mini")
        method, product = const.PRODUCTS["mini"]
        content, top_level = self._alipay_cn_order(product)
        content |= {
            "op_app_id": op_app_id or self._alipay_cn_app(),
            "buyer_open_id": buyer_open_id,
            "buyer_id": buyer_id,
        }
        try:
            answer = self._alipay_cn_ask(method, content, **top_level)
        except GatewayError as problem:
            raise ValidationError(self.provider_id._alipay_cn_sentence(problem)) from None
        self.provider_reference = answer["trade_no"]
        return {"tradeNO": answer["trade_no"]}

    # Asking and closing

    def _alipay_cn_ask(self, method, content, **top_level):
        """Call the gateway that the order was placed at, by the application that placed it.

        A provider switched to another gateway or application meanwhile would only hear that there
        is no such order, and cancel what may be paid.
        """
        order = self.source_transaction_id or self
        if order.alipay_cn_app_id and order.alipay_cn_app_id != self._alipay_cn_app():
            raise AnswerError(
                "other_app", ordered=order.alipay_cn_app_id, now=self._alipay_cn_app() or "–"
            )
        return self.provider_id._alipay_cn_call(
            method,
            content,
            reference=self.reference,
            gateway=order.alipay_cn_gateway,
            **top_level,
        )

    def _alipay_cn_ask_at(self, moment):
        """Have the gateway asked at `moment`."""
        self.write({"alipay_cn_next_query_at": moment})
        self.env.ref("payment_alipay_cn.cron_query")._trigger(at=moment)

    def _alipay_cn_ask_later(self):
        """Have the gateway asked after the next pause, 15 s … 1 h, or at the expiry."""
        now = fields.Datetime.now()
        pause = min(
            const.FIRST_QUERY_SECONDS * 2**self.alipay_cn_query_count, const.LONGEST_QUERY_SECONDS
        )
        moment = now + timedelta(seconds=pause)
        if self.alipay_cn_expires_at and now < self.alipay_cn_expires_at < moment:
            moment = self.alipay_cn_expires_at
        self.alipay_cn_query_count = min(self.alipay_cn_query_count + 1, 16)
        self._alipay_cn_ask_at(moment)

    @api.model
    def _cron_alipay_cn_query(self):
        """Ask the gateway about every transaction whose time has come."""
        cron = self.env["ir.cron"]
        due = [
            ("alipay_cn_next_query_at", "<=", fields.Datetime.now()),
            ("provider_code", "=", const.CODE),
        ]
        remaining = self.search_count(due)
        cron._commit_progress(remaining=remaining)
        for tx in self.search(due, order="alipay_cn_next_query_at", limit=BATCH):
            try:
                tx._alipay_cn_check()
            except psycopg2.errors.SerializationFailure:
                # a notification was taken while the gateway was being asked: look again next time
                self.env.cr.rollback()
                continue
            if not cron._commit_progress(1):
                break

    def _alipay_cn_check(self):
        """Ask the gateway about this transaction and take its word; never raises for an outage."""
        self.ensure_one()
        if self.operation == "refund":
            return self._alipay_cn_check_refund()
        if self.state not in ("draft", "pending"):
            return self._alipay_cn_settled()
        try:
            self._alipay_cn_check_order()
        except (GatewayError, ValidationError) as problem:
            _logger.warning(
                "Order %s: %s", self.reference, self.provider_id._alipay_cn_log_sentence(problem)
            )
        if self.state in ("draft", "pending"):
            self._alipay_cn_ask_later()
        return None

    def _alipay_cn_check_order(self):
        data = self._alipay_cn_query()
        over = self.alipay_cn_expires_at and self.alipay_cn_expires_at <= fields.Datetime.now()
        if data is None:
            if over:
                self._alipay_cn_lock()
                if self.state in ("draft", "pending"):
                    self._alipay_cn_settled()
                    self._set_canceled(self.env._("Nobody paid in time."))
            return
        if over and data.get("trade_status") == const.WAITING:
            data = self._alipay_cn_close()
        self._alipay_cn_take(data)

    def _alipay_cn_query(self):
        """Return the gateway's word about the order, None when it never heard of it.

        Alipay makes no trade of an order before its payer opened the page or scanned the code.
        """
        try:
            answer = self._alipay_cn_ask("alipay.trade.query", {"out_trade_no": self.reference})
        except Refusal as refusal:
            if refusal.is_unknown_order:
                return None
            raise
        self._alipay_cn_same_order(answer)
        return answer

    def _alipay_cn_close(self):
        """Close the unpaid order; return the gateway's last word about it."""
        try:
            answer = self._alipay_cn_ask("alipay.trade.close", {"out_trade_no": self.reference})
            self._alipay_cn_same_order(answer)
            return {**answer, "trade_status": const.CLOSED}
        except Refusal:
            # paid, or closed by Alipay, while we were at it: the query tells which
            return self._alipay_cn_query() or {"trade_status": const.WAITING}

    def _alipay_cn_same_order(self, answer):
        """Refuse an answer that is signed but about another order."""
        seller = (self.provider_id.alipay_cn_seller_id or "").strip()
        if (
            answer.get("out_trade_no") != self.reference
            or answer.get("seller_id", seller) != seller
            or answer.get("app_id", self._alipay_cn_app()) != self._alipay_cn_app()
        ):
            raise AnswerError("other_order")

    def _alipay_cn_take(self, data):
        """Take the gateway's word, one at a time; the payer's language is the messages'."""
        self._alipay_cn_lock()
        self.with_context(lang=self.partner_lang or self.env.lang)._process(const.CODE, data)

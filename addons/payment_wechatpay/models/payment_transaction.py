"""What Odoo's payment framework asks of a provider's transaction."""

import re
from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..wechatpay_v3 import numbers

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)

FINAL_STATES = ("done", "cancel", "error")
PAID_STATES = ("SUCCESS", "REFUND")


class PaymentTransaction(models.Model):
    """A transaction is one merchant order; its reference is the order's number."""

    _inherit = "payment.transaction"

    wechatpay_trade_type = fields.Selection(
        string="WeChat Pay Way",
        selection=[("native", "QR code"), ("h5", "Phone browser"), ("jsapi", "In WeChat")],
        readonly=True,
        copy=False,
    )
    wechatpay_app_id = fields.Char(string="WeChat Pay App ID", readonly=True, copy=False)
    wechatpay_expires_at = fields.Datetime(string="To Be Paid Until", readonly=True, copy=False)
    wechatpay_paid_at = fields.Datetime(string="Paid At", readonly=True, copy=False)
    wechatpay_next_query_at = fields.Datetime(
        string="Next Query", readonly=True, copy=False, index="btree_not_null"
    )
    wechatpay_query_count = fields.Integer(string="Queries", readonly=True, copy=False)
    wechatpay_is_foreign = fields.Boolean(
        string="Made in the Merchant Platform", readonly=True, copy=False
    )
    wechatpay_code_url = fields.Char(readonly=True, copy=False, groups="base.group_system")
    wechatpay_h5_url = fields.Char(readonly=True, copy=False, groups="base.group_system")
    wechatpay_h5_until = fields.Datetime(readonly=True, copy=False, groups="base.group_system")
    wechatpay_prepay_id = fields.Char(readonly=True, copy=False, groups="base.group_system")
    wechatpay_openid = fields.Char(readonly=True, copy=False, groups="base.group_system")

    # === CREATION === #

    @api.model
    def _get_specific_create_values(self, provider_code, values):
        """Override of `payment`: the time to pay begins with the transaction."""
        result = super()._get_specific_create_values(provider_code, values)
        if provider_code != const.PROVIDER_CODE or values.get("operation") == "refund":
            return result
        provider = self.env["payment.provider"].browse(values["provider_id"])
        expires_at = fields.Datetime.now() + timedelta(minutes=provider.wechatpay_expiry_minutes)
        # Looked at once it expired even if nobody opened the page: an order whose answer was lost
        # may exist at the gateway all the same, and is closed there.
        return result | {"wechatpay_expires_at": expires_at, "wechatpay_next_query_at": expires_at}

    @api.model
    def _compute_reference(self, provider_code, prefix=None, separator="-", **kwargs):
        """Override of `payment`: a number in WeChat Pay's letters and length.

        Orders have 6 to 32 of 0-9 A-Z a-z _ - | *; refunds up to 64, and keep their order's number.
        """
        if provider_code != const.PROVIDER_CODE:
            return super()._compute_reference(
                provider_code, prefix=prefix, separator=separator, **kwargs
            )
        is_refund = len(self) == 1 and prefix == f"R-{self.reference}"
        if not is_refund:
            document = prefix or self.sudo()._compute_reference_prefix(separator, **kwargs)
            prefix = numbers.order_number(document)
        return super()._compute_reference(provider_code, prefix=prefix, separator="-", **kwargs)

    def _get_specific_rendering_values(self, processing_values):
        """Override of `payment`: where the payer's browser is led."""
        if self.provider_code != const.PROVIDER_CODE:
            return super()._get_specific_rendering_values(processing_values)
        return {
            "api_url": f"/payment/wechatpay/pay/{self.id}",
            "access_token": self._wechatpay_access_token(),
        }

    # === PROCESSING === #

    @api.model
    def _extract_reference(self, provider_code, payment_data):
        """Override of `payment`: the order's number, or the refund's where it is one."""
        if provider_code != const.PROVIDER_CODE:
            return super()._extract_reference(provider_code, payment_data)
        return payment_data.get("out_refund_no") or payment_data.get("out_trade_no")

    def _extract_amount_data(self, payment_data):
        """Override of `payment`: fen to yuan."""
        if self.provider_code != const.PROVIDER_CODE:
            return super()._extract_amount_data(payment_data)
        fen, currency_code = self._wechatpay_amount_of(payment_data)
        return {"amount": fen / 100, "currency_code": currency_code}

    def _wechatpay_amount_of(self, payment_data):
        """Return (fen, currency code) of an order's or refund's data; 0 where it has none."""
        amount = payment_data.get("amount")
        if not isinstance(amount, dict):
            return 0, ""
        fen = amount.get("refund" if self.operation == "refund" else "total")
        if type(fen) is not int:
            return 0, ""
        # Domestic merchants have one currency, and refund notifications do not name it.
        return fen, amount.get("currency") or "CNY"

    def _wechatpay_fen(self):
        """Return the transaction's amount in fen, without its sign."""
        return abs(round(self.amount * 100))

    def _apply_updates(self, payment_data):
        """Override of `payment`: the only place where money is taken for received or returned."""
        if self.provider_code != const.PROVIDER_CODE:
            return super()._apply_updates(payment_data)
        # Odoo checks the amount before, but lets a second delivery of a wrong one pass.
        if self._wechatpay_amount_of(payment_data) != (
            self._wechatpay_fen(),
            self.currency_id.name,
        ):
            _logger.warning("Data for %s carry another amount: not taken.", self.reference)
            return None
        if self.operation == "refund":
            return self._wechatpay_apply_refund(payment_data)
        if payment_data.get("trade_state") in PAID_STATES:
            self._wechatpay_apply_payment(payment_data)
        return None

    def _wechatpay_apply_payment(self, payment_data):
        """Confirm a paid order, once."""
        if self.state == "done":
            return
        self.write(
            {
                "provider_reference": payment_data.get("transaction_id"),
                "wechatpay_paid_at": self._wechatpay_time(payment_data.get("success_time"))
                or fields.Datetime.now(),
                "wechatpay_next_query_at": False,
                "wechatpay_code_url": False,
                "wechatpay_h5_url": False,
                "wechatpay_prepay_id": False,
            }
        )
        if self.state == "cancel":
            self._wechatpay_take_late_payment()
        else:
            self._set_done()
        self._wechatpay_trigger_post_processing()

    def _wechatpay_take_late_payment(self):
        """Have a canceled transaction's money refunded, or confirm the transaction after all."""
        if self.provider_id.wechatpay_late_payment == "refund":
            try:
                with self.env.cr.savepoint():
                    self._wechatpay_refund_late_payment()
                return
            except UserError as error:
                # Another add-on does not let this transaction be refunded: the money is kept.
                problem = error.args[0]
        else:
            problem = ""
        message = self.env._(
            "WeChat Pay received %(amount)s for the transaction %(reference)s after it was"
            " canceled. The payment is kept: the transaction is confirmed.",
            amount=self.currency_id.format(self.amount),
            reference=self._get_html_link(),
        )
        if problem:
            message += Markup("<br/>") + self.env._(
                "It could not be refunded by itself: %(problem)s", problem=problem
            )
        self._log_message_on_linked_documents(message)
        self._set_done(extra_allowed_states=("cancel",))

    def _wechatpay_refund_late_payment(self):
        """Confirm the transaction without its documents, and order the whole refund."""
        self._log_message_on_linked_documents(
            self.env._(
                "WeChat Pay received %(amount)s for the canceled transaction %(reference)s. The"
                " money is being refunded; it is not used for this document.",
                amount=self.currency_id.format(self.amount),
                reference=self._get_html_link(),
            )
        )
        self._wechatpay_detach_documents()
        self._set_done(extra_allowed_states=("cancel",))
        refund = self._create_child_transaction(self.amount, is_refund=True)
        # Sent by the cron: no request goes out while the gateway waits for our answer.
        refund._wechatpay_schedule(seconds=1)

    def _wechatpay_detach_documents(self):
        """Take the documents off a transaction whose money goes back.

        Other add-ons that link documents by fields of their own extend this method.
        """
        for field_name in ("invoice_ids", "sale_order_ids"):
            if field_name in self._fields:
                self[field_name] = False

    def _wechatpay_identity_problem(self, payment_data):
        """Return which part of verified data belongs to another order, or None."""
        order = self.source_transaction_id if self.operation == "refund" else self
        provider = self.provider_id
        # An order's data name the merchant and the app; a refund's answer names neither, its
        # notification the merchant.
        if payment_data.get("mchid", provider.wechatpay_merchant_id) != (
            provider.wechatpay_merchant_id
        ):
            return "mchid"
        if self.operation != "refund":
            app_id = order.wechatpay_app_id or provider.wechatpay_app_id
            if "mchid" not in payment_data or payment_data.get("appid") != app_id:
                return "appid" if "mchid" in payment_data else "mchid"
        elif payment_data.get("out_refund_no") != self.reference:
            return "out_refund_no"
        if payment_data.get("out_trade_no") != order.reference:
            return "out_trade_no"
        return None

    # === HELPERS === #

    def _wechatpay_lock(self):
        """Lock the rows, an order's before its refund's, and forget what was read before.

        A row that changed since this request began makes Odoo begin the request anew.
        """
        # Not logged as an error: that two notifications come together is the gateway's habit.
        self.env.cr.execute(
            "SELECT id FROM payment_transaction WHERE id IN %s ORDER BY id FOR UPDATE",
            (tuple(self.ids),),
            log_exceptions=False,
        )
        self.invalidate_recordset()

    def _wechatpay_claim(self):
        """Lock an order to add a refund to it: whoever waited for the lock begins anew.

        A lock alone would let him go on with refunds as they were before he waited.
        """
        self.env.cr.execute(
            "UPDATE payment_transaction SET write_date = write_date WHERE id = %s",
            (self.id,),
            log_exceptions=False,
        )
        self.invalidate_recordset()

    def _wechatpay_trigger_post_processing(self):
        """Have the books follow though nobody looks at the payment's page.

        A payment's within a minute, by one order to the scheduler for all that come together: the
        gateway waits for our answer, and the payer's page does it anyhow. A refund's at once: they
        are few, and the accountant who made it looks.
        """
        cron_id = self.env["ir.model.data"]._xmlid_to_res_id(
            "payment.cron_post_process_payment_tx", raise_if_not_found=False
        )
        if not cron_id:
            return
        cron = self.env["ir.cron"].browse(cron_id)
        now = fields.Datetime.now()
        if self.operation == "refund":
            cron._trigger()
            return
        self.env.cr.execute(
            "SELECT 1 FROM ir_cron_trigger WHERE cron_id = %s AND call_at > %s LIMIT 1",
            (cron_id, now + timedelta(seconds=1)),
        )
        if not self.env.cr.rowcount:
            cron._trigger(at=now + timedelta(seconds=5))

    @api.model
    def _wechatpay_time(self, text):
        """Return the naive UTC of the gateway's RFC 3339 time, or False."""
        if not isinstance(text, str) or not re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", text
        ):
            return False
        try:
            moment = fields.Datetime.to_datetime(text[:19].replace("T", " "))
        except ValueError:
            return False
        if text[19] == "Z":
            return moment
        offset = timedelta(hours=int(text[20:22]), minutes=int(text[23:25]))
        return moment - offset if text[19] == "+" else moment + offset

    def _wechatpay_check_amount(self):
        """Raise a sentence unless the amount is whole fen of yuan."""
        if self.currency_id.name not in const.SUPPORTED_CURRENCIES:
            raise ValidationError(
                self.env._(
                    "WeChat Pay takes yuan (CNY) only, not %(name)s.", name=self.currency_id.name
                )
            )
        if self._wechatpay_fen() < 1:
            raise ValidationError(self.env._("WeChat Pay takes amounts of 0.01 yuan and more."))

"""Bill files of a day as typed rows."""

import gzip
import hashlib
import io
import re
from urllib.parse import urlencode, urlsplit

from odoo import models
from odoo.exceptions import ValidationError

from ..exceptions import WechatpayRefused
from ..wechatpay_v3 import bills

BILL_PATHS = {"trade": "/v3/bill/tradebill", "fund": "/v3/bill/fundflowbill"}
BLOCK = 1 << 20


class PaymentProvider(models.Model):
    """Bill files, to compare the books with."""

    _inherit = "payment.provider"

    def _wechatpay_bills(self, kind, day):
        """Yield the typed rows of one day's bill, read while they are used.

        A day's bill exists from about ten o'clock in Beijing on the day after, for three months.

        :param str kind: "trade" (payments and refunds) or "fund" (movements of the account)
        :param date day: the day in Beijing
        :return: generator of wechatpay_v3.bills.TradeRow or FundRow; amounts in fen
        :raise ValidationError: there is no such bill, or its file is damaged
        """
        content = self._wechatpay_bill_file(kind, day)
        with gzip.open(io.BytesIO(content), "rt", encoding="utf-8", newline="") as lines:
            try:
                yield from bills.parse(kind, lines)
            except bills.BillError as error:
                raise ValidationError(
                    self.env._(
                        "The bill of %(day)s cannot be used: %(problem)s",
                        day=day,
                        problem=str(error),
                    )
                ) from error

    def _wechatpay_bill_file(self, kind, day):
        """Return one day's bill file as the gateway packs it (gzip), its digest checked."""
        self.ensure_one()
        parameters = {"bill_date": day.isoformat(), "tar_type": "GZIP"}
        if kind == "trade":
            parameters["bill_type"] = "ALL"
        else:
            parameters["account_type"] = "BASIC"
        try:
            answer = self._wechatpay_request("GET", f"{BILL_PATHS[kind]}?{urlencode(parameters)}")
        except WechatpayRefused as refusal:
            raise ValidationError(
                self.env._(
                    "There is no bill of %(day)s: %(answer)s Bills exist from about 10 o'clock on"
                    " the day after, for three months.",
                    day=day,
                    answer=refusal.args[0],
                )
            ) from refusal
        # The file comes from the configured gateway, whatever host the answer names; it is not
        # signed, but its digest is.
        address = urlsplit(str(answer.get("download_url", "")).strip())
        content = self._wechatpay_request("GET", f"{address.path}?{address.query}", unsigned=True)
        digest = hashlib.sha1(usedforsecurity=False)
        try:
            with gzip.open(io.BytesIO(content)) as unpacked:
                while block := unpacked.read(BLOCK):
                    digest.update(block)
        except (OSError, EOFError):
            digest = None
        expected = str(answer.get("hash_value", "")).lower()
        if (
            not digest
            or answer.get("hash_type") != "SHA1"
            or not re.fullmatch("[0-9a-f]{40}", expected)
            or digest.hexdigest() != expected
        ):
            raise ValidationError(
                self.env._(
                    "The bill of %(day)s was damaged on its way. Fetch it once more.", day=day
                )
            )
        return content

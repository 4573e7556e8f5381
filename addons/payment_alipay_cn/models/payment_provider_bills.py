"""Bill files: fetched by the provider, read into typed rows."""

import tempfile
from contextlib import contextmanager
from datetime import date
from urllib.parse import urlsplit, urlunsplit

import requests

from odoo import models
from odoo.exceptions import ValidationError

from ..alipay_gateway import BillError, GatewayError, read_bill

TIMEOUT_SECONDS = 10
LARGEST_BILL = 256 * 1024 * 1024
IN_MEMORY = 4 * 1024 * 1024
ALIPAY_HOSTS = (".alipay.com", ".alipaydev.com")
KINDS = ("trade", "signcustomer")


class PaymentProvider(models.Model):
    """Bills of the Alipay provider."""

    _inherit = "payment.provider"

    def _alipay_cn_bills(self, kind, day):
        """Yield the rows of a day's bill, as they are read.

        For other add-ons, e.g. to reconcile a bank journal.

        :param str kind: `trade` (payments and refunds → TradeRow) or `signcustomer` (movements of
            the balance → FundRow); money in whole fen, times in UTC.
        :param date day: a day before today in Beijing; a text `YYYY-MM` gives a month's bill.
        :raise ValidationError: with a sentence; rows that came before it are right.
        """
        self.ensure_one()
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of Alipay bill: {KINDS}")
        try:
            with self._alipay_cn_bill_file(kind, day) as file:
                yield from read_bill(file, kind)
        except GatewayError as problem:
            raise ValidationError(self._alipay_cn_sentence(problem)) from None

    @contextmanager
    def _alipay_cn_bill_file(self, kind, day):
        """Give the ZIP of a bill as a file that vanishes afterwards."""
        text = day.isoformat() if isinstance(day, date) else day
        answer = self._alipay_cn_call(
            "alipay.data.dataservice.bill.downloadurl.query",
            {"bill_type": kind, "bill_date": text},
        )
        address = self._alipay_cn_safe_address(answer.get("bill_download_url") or "")
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
            self._alipay_cn_download(address, file)
            file.seek(0)
            yield file

    def _alipay_cn_safe_address(self, address):
        """Return the download address over https.

        Alipay still writes http addresses of its own hosts; those take https. Any other host than
        Alipay's and the gateway's own (a simulator, a proxy) is refused.
        """
        found = urlsplit(address)
        gateway = urlsplit(self._alipay_cn_gateway())
        if found[:2] == gateway[:2]:
            return address
        host = found.hostname or ""
        if found.scheme not in ("http", "https") or not host.endswith(ALIPAY_HOSTS):
            raise BillError("download", problem=self.env._("its address is not one of Alipay's"))
        return urlunsplit(found._replace(scheme="https", netloc=host))

    def _alipay_cn_download(self, address, file):
        try:
            with requests.get(
                address, stream=True, timeout=TIMEOUT_SECONDS, allow_redirects=False
            ) as response:
                response.raise_for_status()
                size = 0
                for chunk in response.iter_content(64 * 1024):
                    size += len(chunk)
                    if size > LARGEST_BILL:
                        raise BillError("too_large")
                    file.write(chunk)
        except requests.exceptions.HTTPError as problem:
            status = problem.response.status_code
            raise BillError("download", problem=f"HTTP {status}") from None
        except requests.exceptions.RequestException:
            problem = self.env._("Alipay's file server gives no answer")
            raise BillError("download", problem=problem) from None

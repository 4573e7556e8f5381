"""Bills: asked for, then fetched by a token (doc/v3/merchant/4012791866, …867, …868)."""

import gzip
import hashlib
import re
import secrets
import threading
from typing import TYPE_CHECKING

from ..book import Merchant, Order, OrderState, Refund
from ..clock import beijing
from ..messages import Answer, Request
from . import bill_file
from .bill_file import Entry
from .refusal import RefusalError, wrong_field

if TYPE_CHECKING:
    from .gateway import WeChatPay

DOWNLOAD_PATH = "/v3/billdownload/file"
TOKEN_LASTS = 300
FASTEST = 1
"""How gzip packs: quickly rather than small."""
OLDEST = 92
"""Days that a bill can be had."""
VARIANTS = {
    "/v3/bill/tradebill": ("bill_type", ("ALL", "SUCCESS", "REFUND")),
    "/v3/bill/fundflowbill": ("account_type", ("BASIC", "OPERATION", "FEES")),
}


class Bills:
    """The bill files that merchants were given a token for."""

    def __init__(self, gateway: "WeChatPay"):
        self._gateway = gateway
        self._lock = threading.Lock()
        self._files: dict[str, tuple[str, float, bytes]] = {}

    def ask(self, merchant: Merchant, request: Request) -> dict[str, str]:
        """Write a bill, and answer where it is fetched and what its digest is."""
        params = request.params
        name, variants = VARIANTS[request.path]
        variant = params.get(name) or variants[0]
        if variant not in variants:
            raise wrong_field(name, variant, f"应为{'、'.join(variants)}之一", "query")
        packing = params.get("tar_type", "")
        if packing not in ("", "GZIP"):
            raise wrong_field("tar_type", packing, "应为GZIP", "query")
        day = self._day(params.get("bill_date", ""))
        content = self._write(merchant, request.path, day, variant)
        token = secrets.token_urlsafe(48)
        with self._lock:
            self._forget_old()
            sent = gzip.compress(content, FASTEST, mtime=0) if packing else content
            self._files[token] = (merchant.id, self._gateway.clock.now() + TOKEN_LASTS, sent)
        suffix = "&tartype=gzip" if packing else ""
        return {
            "hash_type": "SHA1",
            # Of the file as it is unpacked, even where it is fetched packed.
            "hash_value": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
            "download_url": f"{self._gateway.address}{DOWNLOAD_PATH}?token={token}{suffix}",
        }

    def fetch(self, merchant: Merchant, request: Request) -> Answer:
        """Hand a bill out; this is the one answer that is not signed."""
        with self._lock:
            self._forget_old()
            owner, _, content = self._files.get(request.params.get("token", ""), ("", 0.0, b""))
        if owner != merchant.id:
            raise RefusalError(400, "PARAM_ERROR", "token无效或已过期，请重新申请账单")
        return Answer(200, content, {"Content-Type": "text/plain"})

    def publish(self, merchant: Merchant, day: str, lines: int) -> dict[str, object]:
        """Let a day's bill be had at once, with so many made-up payments in it."""
        with self._gateway.book.changing():
            self._gateway.book.own.setdefault("bills", {})[f"{merchant.id}/{day}"] = lines
        if lines:
            # Written now, so that whoever asks for a long one need not wait for it.
            self._write(merchant, "/v3/bill/tradebill", day, "ALL")
            self._write(merchant, "/v3/bill/fundflowbill", day, "BASIC")
        return {"merchant": merchant.id, "day": day, "lines": lines}

    def _day(self, text: str) -> str:
        today = beijing(self._gateway.clock.now()).date()
        try:
            if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
                raise ValueError
            day = today.fromisoformat(text).isoformat()
        except ValueError:
            raise wrong_field("bill_date", text, "应为yyyy-MM-DD格式", "query") from None
        if (today - today.fromisoformat(day)).days > OLDEST:
            raise wrong_field("bill_date", text, "仅支持三个月内的账单下载申请", "query")
        return day

    def _bulk(self, merchant: Merchant, day: str, any_entries: bool) -> bill_file.Bulk:
        """Return what to make up, or refuse where there is no bill yet, or nothing in it."""
        published = self._gateway.book.own.get("bills", {}).get(f"{merchant.id}/{day}")
        if published is None and day >= self._gateway.clock.today():
            raise RefusalError(400, "STATEMENT_CREATING", "账单生成中")
        if not published and not any_entries:
            raise RefusalError(400, "NO_STATEMENT_EXIST", "账单文件不存在")
        app, rate = merchant.settings["appids"][0], merchant.settings["fee_rate"]
        return bill_file.Bulk(merchant.id, app, day, rate, published or 0)

    def _write(self, merchant: Merchant, path: str, day: str, variant: str) -> bytes:
        if path == "/v3/bill/tradebill":
            entries = self._entries(merchant, day)
            return bill_file.trade(variant, entries, self._bulk(merchant, day, bool(entries)))
        if variant != "BASIC":
            # Nothing ever moves on the accounts for fees and operation.
            raise RefusalError(400, "NO_STATEMENT_EXIST", "账单文件不存在")
        entries = self._entries(merchant, day)
        return bill_file.funds(entries, self._bulk(merchant, day, bool(entries)))

    def _entries(self, merchant: Merchant, day: str) -> tuple[Entry, ...]:
        """List a day's real payments and refunds, in the order they happened."""
        rate = merchant.settings["fee_rate"]
        found: list[tuple[float, Entry]] = []
        with self._gateway.book.lock:
            for order in self._gateway.book.orders.values():
                if order.merchant != merchant.id or order.state is not OrderState.PAID:
                    continue
                if _day_of(order.paid_at) == day:
                    entry = _entry(order, order.paid_amount, order.paid_at, rate)
                    found.append((order.paid_at, entry))
                for refund in self._gateway.book.refunds_of(order):
                    if _day_of(refund.created) == day:
                        entry = _entry(order, refund.amount, refund.created, rate, refund)
                        found.append((refund.created, entry))
        return tuple(entry for _, entry in sorted(found, key=lambda one: one[0]))

    def _forget_old(self) -> None:
        now = self._gateway.clock.now()
        self._files = {token: kept for token, kept in self._files.items() if kept[1] > now}


def _entry(
    order: Order, amount: int, moment: float, rate: str, refund: Refund | None = None
) -> Entry:
    finished = refund.finished_at if refund else 0
    return Entry(
        moment=_moment(moment),
        app=order.app,
        merchant=order.merchant,
        transaction=order.gateway_number,
        number=order.number,
        payer=order.payer,
        kind=order.kind,
        subject=order.subject,
        attach=order.attach,
        amount=amount,
        fee=bill_file.fee_of(amount, rate),
        rate=rate,
        refund_id=refund.gateway_number if refund else "",
        refund_number=refund.number if refund else "",
        refund_state=refund.state.upper() if refund else "",
        refunded_at=_moment(finished) if finished else "",
    )


def _day_of(seconds: float) -> str:
    return beijing(seconds).date().isoformat()


def _moment(seconds: float) -> str:
    return beijing(seconds).strftime("%Y-%m-%d %H:%M:%S")

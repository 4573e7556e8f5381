"""What surrounds each request and answer (opendocs: 公共请求参数, 公共响应参数)."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape
from typing import Any
from urllib.parse import parse_qsl

from .. import keys
from ..book import Merchant
from ..clock import Clock
from ..messages import Answer, Request
from . import certificates, signing, values
from .errors import Refusal

FORM = "application/x-www-form-urlencoded"
WITH_ERROR_RESPONSE = {"alipay.system.oauth.token"}  # its refusals are not named after it
WRONG_WHERE_IT_STANDS = {
    "wrong_amount": dict.fromkeys(("total_amount", "refund_fee", "refund_amount"), "0.01"),
    "wrong_order": {"out_trade_no": "NOBODYS_ORDER", "trade_no": "2014112600001004680073956707"},
    "old_timestamp": {"send_pay_date": "2014-07-24 03:07:50"},
}
WRONG_EVERYWHERE = {
    "wrong_merchant": {"seller_id": "2088000000000000"},
    "wrong_app": {"app_id": "2014072300007148"},
    "wrong_currency": {"trans_currency": "USD", "pay_currency": "USD"},
}


@dataclass
class Call:
    """One request, its parameters decoded."""

    request: Request
    parameters: dict[str, str]
    charset: str
    method: str
    merchant: Merchant
    biz: dict[str, Any] = field(default_factory=dict)


def charset_of(request: Request) -> str:
    """Find the charset, which the gateway takes from the URL alone, even of a POST."""
    name = request.params.get("charset", values.DEFAULT_CHARSET).lower()
    if name not in values.CHARSETS:
        raise Refusal("isv.invalid-charset")
    return values.CHARSETS[name]


def parameters_of(request: Request, charset: str) -> dict[str, str]:
    """Decode the parameters of the URL and of the body; none may come twice."""
    texts = [request.query]
    if request.method == "POST" and request.body:
        if not request.headers.get("Content-Type", "").startswith(FORM):
            raise Refusal("isv.invalid-format", "POST的内容须为表单")
        texts.append(request.body.decode("ascii", "replace"))
    pairs = [
        pair
        for text in texts
        for pair in parse_qsl(text, keep_blank_values=True, encoding=charset, errors="replace")
    ]
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise Refusal("isv.invalid-parameter", "参数重复")
    return parameters


def check(call: Call, clock: Clock) -> None:
    """Check everything that all methods have in common, and read biz_content."""
    given, settings = call.parameters, call.merchant.settings
    if not given.get("sign_type"):
        raise Refusal("isv.missing-signature-type")
    if given["sign_type"] != "RSA2":
        raise Refusal("isv.invalid-signature-type")
    if not given.get("sign"):
        raise Refusal("isv.missing-signature")
    if given.get("charset", "").lower() not in values.CHARSETS:
        raise Refusal("isv.invalid-charset")
    if given.get("format", "JSON").upper() != "JSON":
        raise Refusal("isv.invalid-format")
    if not given.get("version"):
        raise Refusal("isv.missing-version")
    if given["version"] != "1.0":
        raise Refusal("isv.invalid-parameter", "version")
    _check_time(given.get("timestamp", ""), settings["timestamp_tolerance"], clock.now())
    if settings["mode"] == "certificate":
        _check_certificates(given, settings, clock.now())
    _check_signature(call)
    call.biz = _biz_content(given.get("biz_content", "{}"))


def _check_time(timestamp: str, tolerance: float, now: float) -> None:
    if not timestamp:
        raise Refusal("isv.missing-timestamp")
    try:
        moment = values.instant(timestamp)
    except ValueError:
        raise Refusal("isv.invalid-timestamp") from None
    if abs(moment - now) > tolerance:
        raise Refusal("isv.invalid-timestamp", f"{timestamp}（网关时间{values.stamp(now)}）")


def _check_certificates(given: dict[str, str], settings: dict[str, Any], now: float) -> None:
    if not given.get("app_cert_sn"):
        raise Refusal("isv.missing-app-cert-sn")
    if not given.get("alipay_root_cert_sn"):
        raise Refusal("isv.missing-root-cert-sn")
    certificate = certificates.load(settings["app_certificate"])
    if given["app_cert_sn"] != certificates.sn(certificate):
        raise Refusal("isv.invalid-app-cert-sn")
    if given["alipay_root_cert_sn"] != certificates.root_sn(settings["root_certificate"]):
        raise Refusal("isv.invalid-root-cert-sn")
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not start.timestamp() <= now <= end.timestamp():
        raise Refusal("isv.app-cert-expired")


def _check_signature(call: Call) -> None:
    content = signing.string_to_sign(call.parameters, signing.OF_A_REQUEST)
    key = keys.load_public(call.merchant.settings["public_key"])
    try:
        data = content.encode(call.charset)
    except UnicodeEncodeError:  # what came was not in that charset
        data = b""
    if not keys.verify(key, data, call.parameters["sign"]):
        raise Refusal("isv.invalid-signature", f"网关生成的验签字符串为：{content}")


def _biz_content(text: str) -> dict[str, Any]:
    try:
        biz = json.loads(text, parse_float=Decimal)
    except ValueError:
        raise Refusal("isv.illegal-json") from None
    if not isinstance(biz, dict):
        raise Refusal("isv.illegal-json")
    return biz


def node_name(method: str, refused: bool = False) -> str:
    """Name the answer's node."""
    if refused and method in WITH_ERROR_RESPONSE:
        return "error_response"
    return f"{method.replace('.', '_')}_response"


def unsigned(refusal: Refusal, charset: str) -> Answer:
    """Refuse a request of which method or app are unknown, so that nobody could verify it."""
    return _answer(f'{{"error_response":{_json(refusal.node(), charset)}}}', charset)


def signed(call: Call, node: dict[str, Any], refused: bool = False) -> Answer:
    """Answer with a node, signed over its bytes as they are sent, and wrong if a fault asks."""
    request, settings = call.request, call.merchant.settings
    if not refused:
        node = _falsified(request, node)
    name = node_name(call.method, refused)
    text = _json(node, call.charset, indent=1 if request.wants("pretty") else None)
    key = keys.new_key() if request.wants("other_key") else keys.load_private(settings["key"])
    sign = keys.sign(key, text.encode(call.charset))
    if request.wants("forged"):
        sign = ("B" if sign[0] == "A" else "A") + sign[1:]
    if request.wants("changed_body"):
        text = text.replace('"code":"', '"code":"1', 1)
    parts = [f'"{name}":{text}']
    if settings["mode"] == "certificate":
        sn = certificates.sn(certificates.load(settings["alipay_certificate"]))
        parts.append(f'"alipay_cert_sn":"{"0" * 32 if request.wants("unknown_serial") else sn}"')
    if not request.wants("missing_signature"):
        parts.append(f'"sign":"{sign}"')
    return _answer("{" + ",".join(parts) + "}", call.charset)


def _falsified(request: Request, node: dict[str, Any]) -> dict[str, Any]:
    kind = request.fault.kind if request.fault else ""
    wrong = WRONG_WHERE_IT_STANDS.get(kind, {}), WRONG_EVERYWHERE.get(kind, {})
    return node | {name: value for name, value in wrong[0].items() if name in node} | wrong[1]


def _json(node: dict[str, Any], charset: str, indent: int | None = None) -> str:
    separators = (",", ":") if indent is None else (", ", ": ")
    text = json.dumps(node, ensure_ascii=False, separators=separators, indent=indent)
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        text = json.dumps(node, separators=separators, indent=indent)
    return text.replace("/", "\\/")  # as the gateway writes it; a `/` stands in strings only


def _answer(text: str, charset: str) -> Answer:
    content = {"Content-Type": f"text/html;charset={charset}"}
    return Answer(200, text.encode(charset), content)


def error_page(refusal: Refusal) -> Answer:
    """Tell the person whom a merchant sent here with a request that is refused."""
    code = escape(refusal.sub_code.removeprefix("isv."))
    return Answer.page(
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>支付宝 - 调试错误</title>'
        '<body style="font-family:sans-serif;max-width:40em;margin:3em auto">'
        "<h1>调试错误，请回到请求来源地，重新发起请求。</h1>"
        f'<p>错误代码 <b data-error="{escape(refusal.sub_code)}">{code}</b></p>'
        f"<p>错误原因：{escape(refusal.sub_msg)}</p></body></html>"
    )

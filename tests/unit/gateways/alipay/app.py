"""An app that speaks to the simulator as the documents tell merchants to, written for its tests."""

import base64
import itertools
import json
import time
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

NUMBERS = itertools.count(1)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(key) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def number() -> str:
    return f"T_{next(NUMBERS)}"


def content_of(form: dict[str, str], *without: str) -> str:
    return "&".join(
        f"{name}={form[name]}" for name in sorted(form) if form[name] and name not in without
    )


def verified(public_pem: str, content: bytes, signature: str) -> None:
    serialization.load_pem_public_key(public_pem.encode()).verify(
        base64.b64decode(signature), content, padding.PKCS1v15(), hashes.SHA256()
    )


class App:
    """One app of one merchant: its key, and what the console gave it."""

    def __init__(self, address: str, app_id: str, **settings):
        self.address, self.app_id = address, app_id
        self.console = self.control(
            "POST", "merchants", app_id=app_id, public_key=pem_of(KEY), **settings
        )

    def http(self, verb: str, target: str, body: bytes | None = None, headers=None):
        connection = HTTPConnection(urlsplit(self.address).netloc, timeout=10)
        try:
            connection.request(verb, target, body, headers or {})
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def control(self, verb: str, what: str, /, **values):
        body = json.dumps(values).encode() if verb == "POST" else None
        answer, text = self.http(verb, f"/_control/{what}", body)
        assert answer.status == 200, text
        return json.loads(text)

    def form(self, name: str, biz=None, charset: str = "utf-8", **changes) -> dict[str, str]:
        """Make a signed form; a change to None leaves that parameter out before signing."""
        form = {
            "app_id": self.app_id,
            "method": name,
            "format": "JSON",
            "charset": charset,
            "sign_type": "RSA2",
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 8 * 3600)),
            "version": "1.0",
        }
        if self.console["mode"] == "certificate":
            form["app_cert_sn"] = self.console["app_cert_sn"]
            form["alipay_root_cert_sn"] = self.console["alipay_root_cert_sn"]
        if biz is not None:
            form["biz_content"] = json.dumps(biz, ensure_ascii=False)
        form = {name: value for name, value in (form | changes).items() if value is not None}
        form["sign"] = base64.b64encode(
            KEY.sign(content_of(form).encode(charset), padding.PKCS1v15(), hashes.SHA256())
        ).decode()
        return form

    def post(self, form: dict[str, str], charset: str = "utf-8", in_url=("charset",)):
        """Send a form, the parameters named in the URL and the rest in the body."""
        query = urlencode({n: v for n, v in form.items() if n in in_url}, encoding=charset)
        body = urlencode({n: v for n, v in form.items() if n not in in_url}, encoding=charset)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.http("POST", f"/gateway.do?{query}", body.encode(), headers)

    def get(self, form: dict[str, str], charset: str = "utf-8"):
        return self.http("GET", f"/gateway.do?{urlencode(form, encoding=charset)}")

    def call(self, method: str, biz=None, charset: str = "utf-8", **changes) -> dict:
        """Ask, verify the answer, and return its node."""
        _, body = self.post(self.form(method, biz, charset, **changes), charset)
        return self.node(body, method, charset)

    def node(self, body: bytes, method: str, charset: str = "utf-8") -> dict:
        """Verify an answer over the node's bytes as they came."""
        name = method.replace(".", "_") + "_response"
        head = f'{{"{name}":'.encode()
        assert body.startswith(head), body
        end = max(body.rfind(b',"alipay_cert_sn":'), -1)
        end = end if end > 0 else body.rfind(b',"sign":')
        document = json.loads(body.decode(charset))
        verified(self.console["alipay_public_key_pem"], body[len(head) : end], document["sign"])
        if self.console["mode"] == "certificate":
            assert document["alipay_cert_sn"] == self.console["alipay_cert_sn"]
        return document[name]

    def precreate(self, amount: str = "88.88", **biz) -> str:
        no = number()
        notify = biz.pop("notify_url", None)
        made = self.call(
            "alipay.trade.precreate",
            {"out_trade_no": no, "total_amount": amount, "subject": "充电"} | biz,
            notify_url=notify,
        )
        assert made["code"] == "10000", made
        return no

    def paid(self, amount: str = "88.88", **biz) -> str:
        no = self.precreate(amount, **biz)
        self.control("POST", f"orders/{no}/pay")
        return no

"""The examples that Alipay published, reproduced byte for byte.

Requests: open platform, "sign by yourself" (docs.open.alipay.com/291/106118). The answer, the
notification and the root certificate's number: tests of Alipay's own SDK for Node.js.
"""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from alipay import DCAliPay

from alipay_gateway import AlipayClient, Credentials, keys
from alipay_gateway.client import Verifier

from .making import bare, key, pem, public_pem, sign

MENU = {
    "button": [
        {"actionParam": "ZFB_HFCZ", "actionType": "out", "name": "话费充值"},
        {
            "name": "查询",
            "subButton": [
                {"actionParam": "ZFB_YECX", "actionType": "out", "name": "余额查询"},
                {"actionParam": "ZFB_LLCX", "actionType": "out", "name": "流量查询"},
                {"actionParam": "ZFB_HFCX", "actionType": "out", "name": "话费查询"},
            ],
        },
        {"actionParam": "http://m.alipay.com", "actionType": "link", "name": "最新优惠"},
    ]
}
TO_SIGN = (
    'app_id=2014072300007148&biz_content={"button":[{"actionParam":"ZFB_HFCZ","actionType":"out",'
    '"name":"话费充值"},{"name":"查询","subButton":[{"actionParam":"ZFB_YECX","actionType":"out",'
    '"name":"余额查询"},{"actionParam":"ZFB_LLCX","actionType":"out","name":"流量查询"},'
    '{"actionParam":"ZFB_HFCX","actionType":"out","name":"话费查询"}]},'
    '{"actionParam":"http://m.alipay.com","actionType":"link","name":"最新优惠"}]}'
    "&charset=GBK&method=alipay.mobile.public.menu.add&sign_type=RSA2"
    "&timestamp=2014-07-24 03:07:50&version=1.0"
)

ANSWER = (
    '{"alipay_open_file_upload_response":{"code":"10000","msg":"Success",'
    '"file_id":"CAxAToWB1JsAAAAAAAAAAAAADgSLAQBr"},"sign":"F+LDzpTNiavn7xVZPGuPCSSVRSmWzJGgtuji6tVEL'
    "GEaqMaNj0jRKXUEr5nloZJBBmwEnddOyCjjepMmrTKTvoOqQ0Efxpr/R1iEeHTHVbb/Q8TTh6Up5gHJDkILdaWS2q1cWeQ6"
    "VT+HQY9P3WRXS7uhILHuDODIhpAyCu5KhWGt0rMCIG+Im6NODJP2oohtSCtmTFXg58HH587Z2y2bdbjzOxLvzD9IrU1imgh"
    "XQ2S/Q+wMIvRk9on6cWnBLkrNvJKapA2ReNGWOwyuASvB9zDVzhMPbR+3mfRGkVDxsq5HYLjBKGskJMXHw0HuugZij6ScRu"
    'aLPODhmHwr/pJ9yw=="}'
)
ANSWER_KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAk7LzhmMa2c4qQd4fqAqenfbuFoA7stPKvoS1LrZEsVnOOGUUjwoa"
    "1oU9xsSPjcOWhIerU/VAN4J95GIAXx59ipcleIyfLn2FhHXPgLJpvo+b2jJFyn/1/DbeJDh+0yDVAOf50Z7HhI0mdUhFMkXl"
    "T7BU0ZMtJf/TmISFEfhDU/w6qFd6D42L97byAkq0K6LroglSVF24GqJEa7hSeUIkZWj7RasykXrc2uVJ1+ejkXE0LyPxa2AH"
    "ykMGbJLf5SiZvaNzUZgnKIR36mLOHpQ/2JCXxhXZYUWHzy0kMH54JcUEeksFWBYLGvLjV1phbcUIc3Q76tIuqApY6E222OoZ"
    "ZQIDAQAB"
)

NOTIFICATION = {
    "gmt_create": "2019-08-15 15:56:22",
    "charset": "utf-8",
    "seller_email": "z97-yuquerevenue@service.aliyun.com",
    "subject": "语雀空间 500人规模",
    "sign": (
        "QfTb8tqE1BMhS5qAnXtvsF3/jBkEvu9q9en0pdbBUDDjvKycZhQb7h8GDs4FKfi049PynaNuatxSgLb/"
        "nLWZpXyyh0LEWdK2S6Ri7nPwrVgOs08zugLO20vOQz44y3ti2Ncm8/wZts1Fr2gZ7pShnVX3d1B50hbs"
        "XnObT1r/U8ONNQjWXd0HIul4TG+Q3fm3svmSvFEy0WnzuhcyHPX5Gm4ELNctL6Qd5YniGJFNcc7kopHY"
        "tI/XD9YCKCH6Ct02rzUs9i11C9CsadtZn+WhxF26Dqt9sGEFajkJ8cxUTLi8+VCpLHsgPE8P0y095uQc"
        "DdK0YjCh4x7wVSov+lrmOQ=="
    ),
    "buyer_id": "2088102534368455",
    "invoice_amount": "0.10",
    "notify_id": "2019081500222155624068450559358070",
    "fund_bill_list": '[{"amount":"0.10","fundChannel":"ALIPAYACCOUNT"}]',
    "notify_type": "trade_status_sync",
    "trade_status": "TRADE_SUCCESS",
    "receipt_amount": "0.10",
    "buyer_pay_amount": "0.10",
    "sign_type": "RSA2",
    "app_id": "2019073166072302",
    "seller_id": "2088531891668739",
    "gmt_payment": "2019-08-15 15:56:24",
    "notify_time": "2019-08-15 15:56:25",
    "version": "1.0",
    "out_trade_no": "20190815155618536-564-57",
    "total_amount": "0.10",
    "trade_no": "2019081522001468450512505578",
    "auth_app_id": "2019073166072302",
    "buyer_logon_id": "xud***@126.com",
    "point_amount": "0.00",
}
NOTIFICATION_KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqObrdC7hrgAVM98tK0nv3hSQRGGKT4lBsQjHiGjeYZjOPIPHR5kn"
    "m2jnnz/YGIXIofVHkA/tAlBAd5DrY7YpvI4tP5EONLtZKC2ghBMx7McI2wRD0xiqzxOQr1FuhZGJ8/AUokBzJrzY+aGX2xcO"
    "rxFYRlFilvVLTXg4LWjR1tdPkO6+i7wQZAIVMClPkwVRZEbaERRHlKqTzv2gGv5rDU8gRoe1LeaN+6BlbTqHWkQcNCUNrA8C"
    "6l17XAXGKDsm/9TFWwO8EPHHHCaQdjtV5/FdcWIt+L8SR1ss7EXTjYDFtxcKVv9rEoY1lX8T4mX+GbXfZHraG5NCF1+XioL5"
    "JwIDAQAB"
)
ROOT_SERIAL = "687b59193f3f462dd5336e5abf83c5d8_02941eef3187dddf3d3b83462e1dfcf6"


def client(**values):
    given = {
        "app_id": "2014072300007148",
        "app_private_key": pem(key("app")),
        "alipay_public_key": bare(public_pem(key("alipay"))),
        **values,
    }
    return AlipayClient(Credentials(**given))


def test_what_is_signed_of_the_published_request():
    request = client().request(
        "alipay.mobile.public.menu.add",
        MENU,
        now=datetime(2014, 7, 23, 19, 7, 50, tzinfo=UTC),  # 03:07:50 of the 24th in Beijing
        charset="GBK",
    )
    assert parse_qs(request.body)["sign"] == [sign(key("app"), TO_SIGN)]
    assert request.query == "charset=GBK"


def test_published_answer_is_alipays():
    content = client(alipay_public_key=ANSWER_KEY).answer(
        "alipay.open.file.upload", ANSWER.encode()
    )
    assert content["file_id"] == "CAxAToWB1JsAAAAAAAAAAAAADgSLAQBr"


def test_published_notification_is_alipays():
    before = dict(NOTIFICATION)
    verifier = Verifier(Credentials("", "", NOTIFICATION_KEY))
    verifier.check_form(NOTIFICATION)
    assert before == NOTIFICATION, "nothing was taken out of it"


@pytest.mark.filterwarnings("ignore:The parsed certificate contains a NULL parameter")
@pytest.mark.parametrize("breaks", ["\n", "\r\n", " "])
def test_serial_number_of_alipays_root_file(breaks):
    text = (Path(__file__).parent / "data" / "alipayRootCert.crt").read_text()
    damaged = breaks.join(line for line in text.splitlines() if line)  # no blank lines in between
    assert DCAliPay.get_root_cert_sn(keys.pem_of_certificates(damaged)) == ROOT_SERIAL

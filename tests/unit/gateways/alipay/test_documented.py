"""The examples of the public documents, byte for byte, and the numbers of certificates."""

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from gateways.alipay import certificates, signing, values

# opendocs, 自行实现签名: the parameters as they stand there, and what is to be signed
REQUEST = {
    "app_id": "2014072300007148",
    "method": "alipay.mobile.public.menu.add",
    "charset": "GBK",
    "sign_type": "RSA2",
    "timestamp": "2014-07-24 03:07:50",
    "biz_content": '{"button":[{"actionParam":"ZFB_HFCZ","actionType":"out","name":"话费充值"},'
    '{"name":"查询","subButton":[{"actionParam":"ZFB_YECX","actionType":"out","name":"余额查询"},'
    '{"actionParam":"ZFB_LLCX","actionType":"out","name":"流量查询"},'
    '{"actionParam":"ZFB_HFCX","actionType":"out","name":"话费查询"}]},'
    '{"actionParam":"http://m.alipay.com","actionType":"link","name":"最新优惠"}]}',
    "sign": "e9zEAe4TTQ4LPLQvETPoLGXTiURcxiAKfMVQ6Hrrsx2hmyIEGvSfAQzbLxHrhyZ48wOJXTsD4FPnt"
    "+YGdK57+fP1BCbf9rIVycfjhYCqlFhbTu9pFnZgT55W+xbAFb9y7vL0MyAxwXUXvZtQVqEwW7pURtKilbcBTEW7"
    "TAxzgro=",
    "version": "1.0",
}
REQUEST_TO_SIGN = (
    'app_id=2014072300007148&biz_content={"button":[{"actionParam":"ZFB_HFCZ","actionType":"out",'
    '"name":"话费充值"},{"name":"查询","subButton":[{"actionParam":"ZFB_YECX","actionType":"out",'
    '"name":"余额查询"},{"actionParam":"ZFB_LLCX","actionType":"out","name":"流量查询"},'
    '{"actionParam":"ZFB_HFCX","actionType":"out","name":"话费查询"}]},{"actionParam":'
    '"http://m.alipay.com","actionType":"link","name":"最新优惠"}]}&charset=GBK&method='
    "alipay.mobile.public.menu.add&sign_type=RSA2&timestamp=2014-07-24 03:07:50&version=1.0"
)
# opendocs, 异步返回结果的验签: the notification as it comes, and what is to be verified (the page
# leaves gmt_create out of its second text, against its own rule; here it is in)
NOTIFICATION = (
    "total_amount=2.00&buyer_id=2088102116773037&body=大乐透2.1&trade_no="
    "2016071921001003030200089909&refund_fee=0.00&notify_time=2016-07-19 14:10:49&subject=大乐透2.1"
    "&sign_type=RSA2&charset=utf-8&notify_type=trade_status_sync&out_trade_no=0719141034-6418"
    "&gmt_close=2016-07-19 14:10:46&gmt_payment=2016-07-19 14:10:47&trade_status=TRADE_SUCCESS"
    "&version=1.0&sign=kPbQIjX%2BxQc8F0/A6/AocELIjhhZnGbcBN6G4MM/HmfWL4ZiHM6fWl5NQhzXJusaklZ1LFuMo"
    "%2BlHQUELAYeugH8LYFvxnNajOvZhuxNFbN2LhF0l/KL8ANtj8oyPM4NN7Qft2kWJTDJUpQOzCzNnV9hDxh5AaT9FPqR"
    "S6ZKxnzM=&gmt_create=2016-07-19 14:10:44&app_id=2015102700040153&seller_id=2088102119685838"
    "&notify_id=4a91b7a78a503640467525113fb7d8bg8e"
)
NOTIFICATION_TO_VERIFY = (
    "app_id=2015102700040153&body=大乐透2.1&buyer_id=2088102116773037&charset=utf-8&gmt_close="
    "2016-07-19 14:10:46&gmt_create=2016-07-19 14:10:44&gmt_payment=2016-07-19 14:10:47&notify_id="
    "4a91b7a78a503640467525113fb7d8bg8e&notify_time=2016-07-19 14:10:49&notify_type="
    "trade_status_sync&out_trade_no=0719141034-6418&refund_fee=0.00&seller_id=2088102119685838"
    "&subject=大乐透2.1&total_amount=2.00&trade_no=2016071921001003030200089909&trade_status="
    "TRADE_SUCCESS&version=1.0"
)


def test_what_is_signed_of_a_request():
    assert signing.string_to_sign(REQUEST, signing.OF_A_REQUEST) == REQUEST_TO_SIGN


def test_what_is_signed_of_a_notification():
    form = dict(parse_qsl(NOTIFICATION))
    assert signing.string_to_sign(form, signing.OF_A_NOTIFICATION) == NOTIFICATION_TO_VERIFY


def test_empty_values_are_not_signed():
    form = {"b": "", "a": "1", "sign": "x", "c": " "}
    assert signing.string_to_sign(form, signing.OF_A_REQUEST) == "a=1&c= "


def test_numbers_of_certificates_are_reckoned_as_documented():
    key = rsa.generate_private_key(65537, 2048)
    pairs = (
        (NameOID.COUNTRY_NAME, "CN"),
        (NameOID.ORGANIZATION_NAME, "Ant Financial"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Certification Authority"),
        (NameOID.COMMON_NAME, "Ant Financial Certification Authority Class 2 R1"),
    )
    name = x509.Name([x509.NameAttribute(oid, text) for oid, text in pairs])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1234567890)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    issuer = (
        "CN=Ant Financial Certification Authority Class 2 R1,"
        "OU=Certification Authority,O=Ant Financial,C=CN"
    )
    number = hashlib.md5(f"{issuer}1234567890".encode()).hexdigest()
    assert certificates.sn(certificate) == number
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    assert certificates.root_sn(pem + pem) == f"{number}_{number}"


def test_a_root_that_is_not_rsa_does_not_count():
    authority = certificates.Authority.new(datetime.now(UTC).timestamp())
    assert authority.root_file.count("BEGIN CERTIFICATE") == 2
    assert len(certificates.root_sn(authority.root_file)) == 32


def test_the_gateways_time_is_beijings():
    assert values.stamp(0) == "1970-01-01 08:00:00"
    assert values.instant("1970-01-01 08:00:00") == 0
    assert values.stamp_of_refund(0.25) == "1970-01-01 08:00:00.250"
    assert values.deadline("1c", values.instant("2026-11-22 10:00:00")) == values.instant(
        "2026-11-23 00:00:00"
    )

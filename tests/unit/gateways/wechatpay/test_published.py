"""The gateway checks and makes signatures as the published examples show them."""

from gateways import keys
from gateways.wechatpay import authorization, platform

from . import published


def test_a_merchant_signs_what_the_documents_sign():
    key = keys.load_private(published.PRIVATE_KEY)
    get = authorization.signed_text(
        "GET", published.GET_TARGET, published.TIMESTAMP, published.NONCE, b""
    )
    post = authorization.signed_text(
        "POST",
        published.POST_TARGET,
        published.TIMESTAMP,
        published.NONCE,
        published.POST_BODY.encode(),
    )
    assert keys.sign(key, get) == published.GET_SIGNATURE
    assert keys.sign(key, post) == published.POST_SIGNATURE


def test_the_published_header_is_read():
    header = (
        f'WECHATPAY2-SHA256-RSA2048 mchid="{published.MCHID}",nonce_str="{published.NONCE}",'
        f'signature="{published.GET_SIGNATURE}",timestamp="{published.TIMESTAMP}",'
        f'serial_no="{published.SERIAL}"'
    )
    assert authorization.parse(header) == authorization.Credentials(
        mchid=published.MCHID,
        serial_no=published.SERIAL,
        nonce_str=published.NONCE,
        timestamp=published.TIMESTAMP,
        signature=published.GET_SIGNATURE,
    )


def test_the_wallet_takes_the_published_pay_sign():
    key = keys.load_private(published.PRIVATE_KEY)
    parts = (
        published.CLIENT_APP,
        published.TIMESTAMP,
        published.NONCE,
        published.CLIENT_PACKAGE,
    )
    text = "".join(f"{part}\n" for part in parts).encode()
    assert keys.verify(key.public_key(), text, published.CLIENT_SIGNATURE)
    assert keys.sign(key, text) == published.CLIENT_SIGNATURE


def test_the_published_answer_is_rightly_signed():
    text = (
        f"{published.ANSWER_TIMESTAMP}\n{published.ANSWER_NONCE}\n".encode()
        + published.ANSWER_BODY
        + b"\n"
    )
    key = keys.load_public(published.ANSWER_KEY)
    assert keys.verify(key, text, published.ANSWER_SIGNATURE)
    assert not keys.verify(key, text + b"\n", published.ANSWER_SIGNATURE)


def test_an_answer_is_signed_over_the_same_three_lines():
    key = {"id": "PUB_KEY_ID_1", "private_key": keys.private_pem(keys.new_key())}
    headers = platform.sign(key, published.ANSWER_BODY, float(published.ANSWER_TIMESTAMP))
    text = (
        f"{published.ANSWER_TIMESTAMP}\n{headers['Wechatpay-Nonce']}\n".encode()
        + published.ANSWER_BODY
        + b"\n"
    )
    public = keys.load_private(key["private_key"]).public_key()
    assert headers["Wechatpay-Timestamp"] == published.ANSWER_TIMESTAMP
    assert keys.verify(public, text, headers["Wechatpay-Signature"])

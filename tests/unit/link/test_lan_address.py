"""Addresses of buses."""

import pytest

from acrel_link.lan_address import is_private, split_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.168.1.50:502", ("192.168.1.50", 502)),
        ("10.0.0.1:65535", ("10.0.0.1", 65535)),
        ("[fd00::7]:502", ("fd00::7", 502)),
    ],
)
def test_an_address_is_an_ip_address_and_a_port(text, expected):
    assert split_address(text) == expected
    assert is_private(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.168.1.50",
        "192.168.1.50:0",
        "192.168.1.50:65536",
        "192.168.1.50:²",
        "192.168.1:502",
        "gateway.lan:502",
        "fd00::7:502",
        "[192.168.1.50]:502",
        "[fd00::7]",
        "8.8.8.8:502",
        "172.32.0.1:502",
        "[2001:db8::1]:502",
        "0.0.0.0:502",
    ],
)
def test_what_is_none_or_not_private_is_refused(text):
    assert not is_private(text)

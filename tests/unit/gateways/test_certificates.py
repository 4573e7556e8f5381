"""Certificates that the simulators make."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from gateways import keys


def test_a_serial_number_reads_the_same_with_and_without_leading_zeros(monkeypatch):
    monkeypatch.setattr(x509, "random_serial_number", lambda: 0xABC)
    key = rsa.generate_private_key(65537, 2048)
    made = keys.certificate(key.public_key(), "Tenpay.com sign", key, "Tenpay.com")
    assert keys.serial_of(made) == f"{made.serial_number:X}"

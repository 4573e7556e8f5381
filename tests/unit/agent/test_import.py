"""Bringing keys to the box, and what it is told about the wrong ones."""

import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from acrel_link.keys import package
from acrel_link.keys.check import check_value
from acrel_link.sealed.device import Slot
from meter_agent import durable, importing
from meter_agent.cli import main
from meter_agent.config import load
from meter_agent.errors import StateError
from meter_agent.keys import KeyStore, certificate_files

SERIAL, OTHER = "12307210720085", "12307210720086"
PASSPHRASE = "a long enough passphrase"


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch):
    """The cost that stretches a passphrase is tried with the package itself."""
    monkeypatch.setattr(package, "SCRYPT_N", 2**10)


@pytest.fixture
def site(tmp_path):
    file = tmp_path / "agent.toml"

    def site(channel: str = "sealed", serial: str = SERIAL):
        file.write_text(
            f"""
            [server]
            address = "127.0.0.1:8452"
            channel = "{channel}"
            [site]
            serial = "{serial}"
            state = "{tmp_path / "state"}"
            [[bus]]
            host = "127.0.0.1"
            [[bus.meter]]
            slave = 1
            """
        )
        return load(file)

    return site


@pytest.fixture
def command(tmp_path, site, capsys):
    """Run `meter-agent import` as a person does; return exit code and what was said."""
    secret = tmp_path / "passphrase"

    def command(data: bytes, *words: str, passphrase: str = PASSPHRASE):
        file = tmp_path / "package"
        file.write_bytes(data)
        secret.write_text(passphrase + "\n")
        if "--private-key-file" not in words:
            words = ("--passphrase-file", str(secret))
        code = main(["--config", str(tmp_path / "agent.toml"), "import", str(file), *words])
        told = capsys.readouterr()
        return code, (told.out + told.err).strip()

    return command


def link_key(serial: str, version: int, fill: int = 7) -> package.LinkKey:
    key = bytes([fill]) * 32
    return package.LinkKey(serial, "8986", "adw300", version, key, check_value(key, serial))


def sealed(*links: package.LinkKey, recipient=None) -> bytes:
    recipient = recipient or package.Recipient.from_passphrase(PASSPHRASE)
    return package.seal(package.Payload(links=links), recipient)


def test_takes_the_key_of_its_own_link_out_of_a_package_of_many(site, command, tmp_path):
    config = site()
    code, said = command(sealed(link_key(OTHER, 9, 1), link_key(SERIAL, 3)))

    assert (code, said) == (0, f"Key version 3 of {SERIAL} is imported.")
    store = KeyStore(config.state, SERIAL)
    assert store.slots() == (Slot(3, bytes([7]) * 32), None)
    assert store.iccid == "8986"
    assert stat.S_IMODE(config.state.stat().st_mode) == 0o700
    for file in config.state.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_package_for_an_installer_s_key_pair(site, command, tmp_path):
    config = site()
    private = X25519PrivateKey.generate()
    file = tmp_path / "installer"
    file.write_text(private.private_bytes_raw().hex())
    recipient = package.Recipient.from_public_key(private.public_key().public_bytes_raw())

    code, _ = command(
        sealed(link_key(SERIAL, 1), recipient=recipient), "--private-key-file", str(file)
    )

    assert code == 0
    assert KeyStore(config.state, SERIAL).slots()[0].version == 1


def test_wrong_files_change_nothing_and_are_one_sentence(site, command):
    config = site()
    good = sealed(link_key(SERIAL, 3))
    assert command(good)[0] == 0
    before = (config.state / "keys.json").read_bytes()
    for data, passphrase, said in (
        (good, "another passphrase", "the passphrase is another one"),
        (good.replace(b'"nonce"', b'"once"'), PASSPHRASE, "no provisioning package"),
        (b"{", PASSPHRASE, "no provisioning package"),
        (b"PK12", PASSPHRASE, 'for channel = "tls" only'),
        (sealed(link_key(OTHER, 1)), PASSPHRASE, f"is for {OTHER}"),
        (good, PASSPHRASE, "is not newer than version 3"),
        (sealed(link_key(SERIAL, 2)), PASSPHRASE, "is not newer than version 3"),
    ):
        code, told = command(data, passphrase=passphrase)
        assert code == 2
        assert said in told
        assert "\n" not in told
    assert (config.state / "keys.json").read_bytes() == before


def test_new_key_keeps_the_boot_counter(site, command):
    config = site()
    command(sealed(link_key(SERIAL, 1)))
    store = KeyStore(config.state, SERIAL)
    assert [store.count(), store.count()] == [1, 2]
    command(sealed(link_key(SERIAL, 2)))
    assert KeyStore(config.state, SERIAL).count() == 3


def test_slots_command_ids_and_counter_are_on_the_disk_at_once(site, command):
    config = site()
    command(sealed(link_key(SERIAL, 1)))
    store = KeyStore(config.state, SERIAL)
    following = Slot(2, bytes([9]) * 32)
    store.keep(store.slots()[0], following)
    ids = [number.to_bytes(16, "big") for number in range(70)]
    for each in ids:
        store.remember(each)

    again = KeyStore(config.state, SERIAL)
    assert again.slots()[1] == following
    assert list(again.command_ids()) == ids[-64:]
    assert "09" * 8 not in repr(again.slots())


def test_state_that_cannot_be_trusted_is_refused(site, command):
    config = site()
    command(sealed(link_key(SERIAL, 1)))
    with pytest.raises(StateError, match="correct the one that is wrong"):
        KeyStore(config.state, OTHER)
    (config.state / "keys.json").chmod(0o640)
    with pytest.raises(StateError, match="chmod 600"):
        KeyStore(config.state, SERIAL)
    (config.state / "keys.json").chmod(0o600)
    (config.state / "boot_counter").write_bytes(b"many")
    (config.state / "boot_counter").chmod(0o600)
    with pytest.raises(StateError, match="boot_counter is damaged"):
        KeyStore(config.state, SERIAL)
    (config.state / "keys.json").write_bytes(b'{"serial": "1", "current": {"key": "secret"}}')
    with pytest.raises(StateError, match="is damaged") as refused:
        KeyStore(config.state, SERIAL)
    assert refused.value.__cause__ is None
    config.state.chmod(0o755)
    with pytest.raises(StateError, match="chmod 700"):
        durable.folder(config.state)


def test_second_agent_on_one_state_folder_is_refused(tmp_path):
    with durable.lock(tmp_path), pytest.raises(StateError, match="stop it first"):
        durable.lock(tmp_path)


def test_unit_that_was_handed_credentials_imports_them_once(site, command, tmp_path, monkeypatch):
    config = site()
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    importing.import_credentials(config)  # nothing was handed over
    (credentials / "package").write_bytes(sealed(link_key(SERIAL, 1)))
    (credentials / "passphrase").write_text(PASSPHRASE + "\n")
    importing.import_credentials(config)
    store = KeyStore(config.state, SERIAL)
    store.keep(Slot(2, bytes(32)), None)  # rotated since
    importing.import_credentials(config)
    assert KeyStore(config.state, SERIAL).slots()[0].version == 2


# === TLS === #


def pkcs12_of(serial: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, serial)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return pkcs12.serialize_key_and_certificates(
        b"", key, certificate, [certificate], BestAvailableEncryption(PASSPHRASE.encode())
    )


def test_takes_certificate_key_and_authority_out_of_a_pkcs12(site, command):
    config = site("tls")
    code, said = command(pkcs12_of(SERIAL))

    assert (code, said) == (0, f"The certificate of {SERIAL} is imported.")
    certificate, authority = certificate_files(config.state)
    assert b"PRIVATE KEY" in certificate.read_bytes()
    assert b"PRIVATE KEY" not in authority.read_bytes()
    for file in (certificate, authority):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_wrong_pkcs12_is_one_sentence(site, command):
    config = site("tls")
    for data, passphrase, said in (
        (pkcs12_of(OTHER), PASSPHRASE, f"is for {OTHER}"),
        (pkcs12_of(SERIAL), "another passphrase", "does not open"),
        (b"0nothing", PASSPHRASE, "does not open"),
        (sealed(link_key(SERIAL, 1)), PASSPHRASE, "is for nothing of this kind"),
    ):
        code, told = command(data, passphrase=passphrase)
        assert code == 2
        assert said in told
    with pytest.raises(StateError, match=r"import FILE\.p12"):
        certificate_files(config.state)


def test_package_with_a_certificate(site, command):
    config = site("tls")
    certificate = package.LinkCertificate(SERIAL, "KEY\n", "CERTIFICATE\n", "AUTHORITY\n")
    payload = package.Payload(certificates=(certificate,))
    data = package.seal(payload, package.Recipient.from_passphrase(PASSPHRASE))
    assert command(data)[0] == 0
    file, authority = certificate_files(config.state)
    assert file.read_text() == "KEY\nCERTIFICATE\n"
    assert authority.read_text() == "AUTHORITY\n"

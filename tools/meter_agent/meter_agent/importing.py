"""`meter-agent import`: a provisioning package, or a PKCS#12 for TLS, into the state folder."""

import logging
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from acrel_link.keys.errors import PackageError
from acrel_link.keys.package import Payload, open_with_passphrase, open_with_private_key

from . import durable, keys
from .config import SEALED, Config
from .errors import AgentError

log = logging.getLogger(__name__)

# Credentials that systemd hands to the unit, for an installation without a person at the box.
PACKAGE_CREDENTIAL, PASSPHRASE_CREDENTIAL = "package", "passphrase"


def import_file(
    config: Config, file: Path, passphrase: str | None, private_key: bytes | None
) -> str:
    """Take what a file holds for this site's link; return a sentence about it."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise AgentError(f"{file} cannot be read: {error.strerror}.") from error
    durable.folder(config.state)
    if data[:1] != b"{":
        return _import_pkcs12(config, data, passphrase)
    try:
        if private_key is not None:
            payload = open_with_private_key(data, private_key)
        else:
            payload = open_with_passphrase(data, passphrase or "")
    except PackageError as error:
        raise AgentError(f"{file} was not imported: {error}") from error
    return _import_payload(config, payload)


def _import_payload(config: Config, payload: Payload) -> str:
    if config.channel == SEALED:
        link = next((link for link in payload.links if link.serial == config.serial), None)
        if link is None:
            raise _foreign(config, [link.serial for link in payload.links])
        known = keys.imported_version(config.state)
        if known is not None and known[0] == config.serial and link.key_version <= known[1]:
            raise AgentError(
                f"Key version {link.key_version} of {config.serial} is not newer than version "
                f"{known[1]}, which is here already. Nothing was changed."
            )
        keys.import_key(config.state, link.serial, link.iccid, link.key_version, link.key)
        return f"Key version {link.key_version} of {link.serial} is imported."
    found = next((one for one in payload.certificates if one.serial == config.serial), None)
    if found is None:
        raise _foreign(config, [one.serial for one in payload.certificates])
    keys.import_certificate(
        config.state, (found.private_key + found.certificate).encode(), found.authority.encode()
    )
    return f"The certificate of {found.serial} is imported."


def _import_pkcs12(config: Config, data: bytes, passphrase: str | None) -> str:
    if config.channel == SEALED:
        raise AgentError(
            'The file is no provisioning package. A PKCS#12 is for channel = "tls" only.'
        )
    try:
        bundle = pkcs12.load_pkcs12(data, (passphrase or "").encode())
    except ValueError:
        raise AgentError(
            "The PKCS#12 does not open: the passphrase is another one, or it is no PKCS#12."
        ) from None
    if bundle.key is None or bundle.cert is None or not bundle.additional_certs:
        raise AgentError(
            "The PKCS#12 lacks the private key, the certificate or that of its authority: export "
            "it again."
        )
    certificate = bundle.cert.certificate
    names = [
        attribute.value
        for attribute in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    ]
    if config.serial not in names:
        raise _foreign(config, names)
    private = bundle.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    authority = b"".join(
        more.certificate.public_bytes(Encoding.PEM) for more in bundle.additional_certs
    )
    keys.import_certificate(
        config.state, private + certificate.public_bytes(Encoding.PEM), authority
    )
    return f"The certificate of {config.serial} is imported."


def _foreign(config: Config, serials: list[str]) -> AgentError:
    held = ", ".join(serials) or "nothing of this kind"
    return AgentError(
        f"The file is for {held}, but [site] names the serial {config.serial}. Nothing was changed."
    )


def import_credentials(config: Config) -> None:
    """Import what systemd handed over, where nothing is imported yet."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return
    package, passphrase = Path(folder, PACKAGE_CREDENTIAL), Path(folder, PASSPHRASE_CREDENTIAL)
    done = (
        keys.imported_version(config.state) is not None
        if config.channel == SEALED
        else (config.state / keys.TLS_FILE).exists()
    )
    if done or not package.exists() or not passphrase.exists():
        return
    secret = passphrase.read_text(encoding="utf-8").rstrip("\r\n")
    log.info("%s", import_file(config, package, secret, None))

"""What simulated meters prove themselves with: provisioning packages and PKCS#12 files."""

import os
import ssl
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from ..keys.errors import PackageError
from ..keys.package import LinkKey, open_with_passphrase
from ..sealed.store import MemoryStore, Slot
from .options import OptionsError


@dataclass
class Credentials:
    """By serial number: device keys, and TLS contexts with a certificate."""

    keys: dict[str, LinkKey] = field(default_factory=dict)
    contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)


def load(files: Sequence[Path], passphrase_file: Path | None) -> Credentials:
    """Read every file with the one passphrase.

    :raise OptionsError: when one cannot be read or opened
    """
    found = Credentials()
    try:
        passphrase = passphrase_file.read_text().strip() if passphrase_file else ""
        for file in files:
            _read(file.read_bytes(), passphrase, found)
    except OSError as error:
        raise OptionsError(f"--package or --passphrase-file cannot be read: {error}.") from error
    except (PackageError, ValueError) as error:
        raise OptionsError(f"A --package does not open: {str(error).rstrip('.')}.") from error
    return found


def _read(data: bytes, passphrase: str, found: Credentials) -> None:
    if data.lstrip().startswith(b"{"):
        payload = open_with_passphrase(data, passphrase)
        found.keys |= {link.serial: link for link in payload.links}
        for one in payload.certificates:
            found.contexts[one.serial] = _context(
                one.private_key.encode(), one.certificate.encode(), one.authority
            )
        return
    key, certificate, others = pkcs12.load_key_and_certificates(data, passphrase.encode())
    name = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    found.contexts[name] = _context(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate.public_bytes(Encoding.PEM),
        "".join(other.public_bytes(Encoding.PEM).decode() for other in others),
    )


def _context(key: bytes, certificate: bytes, authorities: str) -> ssl.SSLContext:
    """Return what a meter shows, and whom it believes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authorities)
    # the library reads a key from a file only; this one is its owner's and gone at once
    handle, name = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key + certificate)
        context.load_cert_chain(name)
    finally:
        os.unlink(name)
    return context


class Memory(MemoryStore):
    """A simulated meter's memory: what it stores may be written to a state file at once.

    A boot counter that is at least the time of day is above every earlier one, even after a kill.
    """

    def __init__(
        self, serial: str, slots: Sequence[Slot], boot_counter: int, stored: Callable[[], None]
    ):
        least = time.time_ns() // 1_000_000
        super().__init__(serial, *slots, boot_counter=max(boot_counter, least))
        self._stored = stored

    def keep(self, current: Slot, following: Slot | None) -> None:
        """Keep both slots, over a restart too where there is a state file."""
        super().keep(current, following)
        self._stored()

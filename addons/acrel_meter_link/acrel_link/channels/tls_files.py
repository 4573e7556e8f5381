"""What the TLS listener is served with: read from its files, and again when they change."""

import logging
import ssl
from pathlib import Path

from ..settings import Settings, SettingsError

log = logging.getLogger(__name__)


class TlsFiles:
    """Certificate, key and authorities of the listener; connections that stand keep theirs."""

    def __init__(self, settings: Settings):
        self._names = {
            "ACREL_LINK_TLS_CERTIFICATE": settings.tls_certificate,
            "ACREL_LINK_TLS_KEY": settings.tls_key,
            "ACREL_LINK_TLS_AUTHORITY": settings.tls_authority,
        }
        self._seen: tuple | None = None
        self._context: ssl.SSLContext | None = None

    @property
    def context(self) -> ssl.SSLContext:
        """What the next connection is served with."""
        return self._context

    def load(self) -> None:
        """Read the files at the start.

        :raise SettingsError: when they cannot be used
        """
        self._seen = self._stamps()
        try:
            self._context = self._read()
        except (OSError, ValueError) as error:
            raise SettingsError(f"acrel_link: {self._sentence(error)}") from error

    def refresh(self, always: bool = False) -> bool:
        """Read the files again if they changed; what was loaded stays while they cannot be used.

        :return: whether other files are served now
        """
        stamps = self._stamps()
        if stamps == self._seen and not always:
            return False
        self._seen = stamps
        try:
            self._context = self._read()
        except (OSError, ValueError) as error:
            log.error("The TLS listener goes on with its old files: %s", self._sentence(error))
            return False
        log.info("The TLS listener's files were read again.")
        return True

    def _stamps(self) -> tuple:
        """Return what tells that a file was written or replaced."""
        stamps = []
        for name in self._names.values():
            try:
                found = Path(name).stat()
            except OSError:
                stamps.append(None)
            else:
                stamps.append((found.st_mtime_ns, found.st_ino, found.st_size))
        return tuple(stamps)

    def _read(self) -> ssl.SSLContext:
        certificate, key, authority = self._names.values()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authority)
        return context

    def _sentence(self, error: Exception) -> str:
        files = ", ".join(f"{variable} ({name})" for variable, name in self._names.items())
        return (
            f"the files of {files} cannot be used ({error}): they must be PEM files, the key that "
            "of the certificate."
        )

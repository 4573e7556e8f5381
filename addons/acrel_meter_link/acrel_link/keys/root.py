"""Root keys: read from files, never from the database, and what they wrap.

Each wrapped thing is under a key of its own, derived from the root and the thing's name, so that
a wrapped key that is moved to another row of the database does not open.
"""

import base64
import binascii
import os
import stat
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from .errors import RootKeyError

VARIABLE = "ACREL_LINK_ROOT_KEY_FILE"
ROOT_BYTES = 32
MOST_BYTES = 4096
_SENTINEL = b"acrel_link root key sentinel v1!"


class RootKey:
    """One root key; its `id` may be told, its bytes are never shown."""

    __slots__ = ("_key", "id")

    def __init__(self, key: bytes):
        if len(key) != ROOT_BYTES:
            raise ValueError("a root key has 32 bytes")
        self._key = key
        self.id = sha256(b"acrel/v1 root id" + key).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"RootKey({self.id})"

    def wrap(self, name: bytes, secret: bytes) -> bytes:
        """Wrap a secret (a multiple of 8 bytes, 16 at least) under its name, by RFC 3394."""
        return aes_key_wrap(self._key_for(name), secret)

    def unwrap(self, name: bytes, wrapped: bytes) -> bytes:
        """Unwrap what was wrapped under this name.

        :raise RootKeyError: when it was not
        """
        try:
            return aes_key_unwrap(self._key_for(name), wrapped)
        except (InvalidUnwrap, ValueError) as error:
            raise RootKeyError(
                f"A wrapped key does not open under root key {self.id}: its row was changed or "
                "moved. Revoke that key and issue a new one."
            ) from error

    def sentinel(self) -> bytes:
        """Return the record by which a database knows its root key again."""
        return self.wrap(b"sentinel", _SENTINEL)

    def proves(self, sentinel: bytes) -> bool:
        """Tell whether a database's sentinel was made with this root key."""
        try:
            return self.unwrap(b"sentinel", sentinel) == _SENTINEL
        except RootKeyError:
            return False

    def _key_for(self, name: bytes) -> bytes:
        return HKDF(SHA256(), 32, salt=None, info=b"acrel/v1 wrap " + name).derive(self._key)


class RootKeys(Mapping[str, RootKey]):
    """The root keys that are loaded, by id, in the order they were named."""

    def __init__(self, *roots: RootKey):
        self._roots = {root.id: root for root in roots}

    def __getitem__(self, root_id: str) -> RootKey:
        try:
            return self._roots[root_id]
        except KeyError:
            raise RootKeyError(
                f"A key is wrapped under root key {root_id}, which is not among those loaded "
                f"({', '.join(self._roots) or 'none'}): name its file in {VARIABLE}."
            ) from None

    def __contains__(self, root_id: object) -> bool:
        return root_id in self._roots

    def __iter__(self) -> Iterator[str]:
        return iter(self._roots)

    def __len__(self) -> int:
        return len(self._roots)

    @property
    def first(self) -> RootKey:
        """The one that a database without a root key takes."""
        return next(iter(self._roots.values()))


def load(paths: str) -> RootKeys:
    """Read root keys from files named with ':' between them; none from an empty text.

    :raise RootKeyError: when a file is missing, open to others, or no root key
    """
    files = [Path(path) for path in paths.split(":") if path]
    return RootKeys(*(RootKey(key) for path in files for key in _read(path)))


def make(path: Path, add: bool = False) -> RootKey:
    """Make a root key in a new file of mode 0600, or add one to an existing file.

    :return: the new key
    """
    root_key = os.urandom(ROOT_BYTES)
    line = root_key.hex().encode() + b"\n"
    try:
        if add:
            lines = b"".join(key.hex().encode() + b"\n" for key in _read(path))
            fresh = path.with_name(f".{path.name}.new")
            _write_new(fresh, lines + line, like=path.stat())
            fresh.replace(path)
        else:
            _write_new(path, line)
    except FileExistsError as error:
        raise RootKeyError(
            f"{error.filename} exists already, and a root key is never overwritten, because keys "
            "may be wrapped under it: name another file, or add a second root key with --add."
        ) from error
    except OSError as error:
        raise RootKeyError(
            f"{error.filename or path} cannot be written: {error.strerror}."
        ) from error
    return RootKey(root_key)


def _write_new(path: Path, content: bytes, like: os.stat_result | None = None) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        if like is not None and os.geteuid() == 0:
            os.fchown(handle, like.st_uid, like.st_gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> list[bytes]:
    try:
        # not to hang where the path leads to a pipe
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise RootKeyError(
            f"The root key file {path} cannot be read: {error.strerror}. Make one with odoo "
            f"meter_keys make-root --out FILE, or set {VARIABLE} to where it is."
        ) from error
    try:
        _check_access(path, os.fstat(handle))
        content = os.read(handle, MOST_BYTES + 1)
    finally:
        os.close(handle)
    return _keys(path, content)


def _check_access(path: Path, status: os.stat_result) -> None:
    """Refuse a file that others than this process and root can reach."""
    if not stat.S_ISREG(status.st_mode):
        raise RootKeyError(f"The root key file {path} is no regular file.")
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    # systemd gives a service its credentials by an access list, which shows as the group's right
    is_credential = credentials is not None and path.parent == Path(credentials)
    refused = stat.S_IMODE(status.st_mode) & (0o037 if is_credential else 0o077)
    if refused:
        raise RootKeyError(
            f"The root key file {path} may be used by others (mode "
            f"{stat.S_IMODE(status.st_mode):04o}): run chmod 600 on it, and roll to a new root "
            "key if others may have read it."
        )
    if status.st_uid not in (os.geteuid(), 0):
        raise RootKeyError(
            f"The root key file {path} belongs to user {status.st_uid} and not to the link "
            f"process's own, {os.geteuid()}: run chown on it."
        )


def _keys(path: Path, content: bytes) -> list[bytes]:
    """Return the keys of a file: 32 raw bytes, or lines of hex or base64.

    The sentence about a wrong file shows nothing of it.
    """
    wrong = RootKeyError(
        f"The root key file {path} is no root key: it must hold 32 bytes, or lines of 64 "
        "hexadecimal digits or of base64. Make one with odoo meter_keys make-root --out FILE."
    )
    if len(content) == ROOT_BYTES:
        if all(byte in b"0123456789abcdefABCDEF\r\n" for byte in content):
            raise wrong  # half a key in hexadecimal digits
        return [content]
    try:
        lines = content.decode("ascii").split()
        keys = [
            bytes.fromhex(line)
            if len(line) == 2 * ROOT_BYTES
            else base64.b64decode(line, validate=True)
            for line in lines
        ]
    except (ValueError, binascii.Error):
        raise wrong from None
    if not keys or any(len(key) != ROOT_BYTES for key in keys):
        raise wrong
    return keys

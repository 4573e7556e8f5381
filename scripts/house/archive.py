"""The folder of a backup: what lies in it, and how its content is proven and kept secret.

manifest.json    what was backed up, when, and the SHA-256 of every other file
database.dump    pg_dump's custom format
filestore/       Odoo's files
root.key.json    the root key under a passphrase; absent where there was none
"""

import base64
import getpass
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from .errors import Refused

FORMAT = "acrel-backup-1"
MANIFEST, DUMP, FILES, ROOT_KEY = "manifest.json", "database.dump", "filestore", "root.key.json"
# 128 MiB and about half a second a guess, as for the packages of device keys
SCRYPT = {"n": 2**17, "r": 8, "p": 1}
PASSPHRASE_LEAST = 12


def write_manifest(folder: Path, **facts: object) -> None:
    """Finish a backup: whoever finds a manifest finds everything that it names."""
    sums = {name: _sum(folder / name) for name in _names(folder)}
    text = json.dumps({"format": FORMAT, **facts, "sha256": sums}, indent=1)
    fresh = folder / f"{MANIFEST}.new"
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> dict:
    """Read a backup's manifest and check that every file is as it was written."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        sums = manifest["sha256"]
        known = manifest["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"{folder} is no finished backup: its {MANIFEST} cannot be read ({error}); "
            "name a folder that scripts/backup wrote to its end."
        ) from error
    if not known:
        raise Refused(
            f"{folder} was written in the format {manifest['format']!r}; restore it with the "
            "version of this project that wrote it."
        )
    present = set(_names(folder))
    wrong = sorted(present ^ set(sums)) or [
        name for name in sorted(sums) if _sum(folder / name) != sums[name]
    ]
    if wrong:
        raise Refused(
            f"{folder} is not as it was written: {wrong[0]} is missing, new or changed "
            f"({len(wrong)} such files); take another copy of the backup."
        )
    return manifest


def lock_away(secret: bytes, passphrase: str) -> str:
    """Encrypt a secret under a passphrase (scrypt, AES-256-GCM), as JSON text."""
    salt, nonce = os.urandom(16), os.urandom(12)
    content = AESGCM(_key(passphrase, salt)).encrypt(nonce, secret, FORMAT.encode())
    parts = {"salt": salt, "nonce": nonce, "content": content}
    return json.dumps({name: base64.b64encode(part).decode() for name, part in parts.items()})


def unlock(text: str, passphrase: str) -> bytes:
    """Decrypt what `lock_away` gave."""
    try:
        parts = {name: base64.b64decode(part) for name, part in json.loads(text).items()}
        key = _key(passphrase, parts["salt"])
        return AESGCM(key).decrypt(parts["nonce"], parts["content"], FORMAT.encode())
    except (InvalidTag, ValueError, KeyError) as error:
        raise Refused(
            "The root key does not open: the passphrase is another one than at the backup."
        ) from error


def passphrase(file: Path | None, *, new: bool) -> str:
    """Read the passphrase from a file, or ask for it; a new one twice, and long enough."""
    if file:
        try:
            words = file.read_text().splitlines()[0].strip()
        except (OSError, IndexError) as error:
            raise Refused(f"No passphrase can be read from {file} ({error}).") from error
    else:
        try:
            words = getpass.getpass("Passphrase of the root key: ")
            again = getpass.getpass("Once more: ") if new else words
        except EOFError as error:
            raise Refused(
                "Nobody is here to type a passphrase; name its file by --passphrase-file."
            ) from error
        if again != words:
            raise Refused("The two passphrases differ; nothing was written.")
    if new and len(words) < PASSPHRASE_LEAST:
        raise Refused(
            f"The passphrase has {len(words)} characters; take {PASSPHRASE_LEAST} or more, since "
            "whoever has the backup can try them all."
        )
    return words


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, **SCRYPT).derive(passphrase.encode())


def _names(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and not name.startswith(MANIFEST):
            yield name


def _sum(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

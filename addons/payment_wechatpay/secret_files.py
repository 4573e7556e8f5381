"""Secrets that lie in files instead of in the database: a field holds `file:NAME`."""

import os
import re
from pathlib import Path

from odoo.tools import config

PREFIX = "file:"
NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.\-]{0,99}")
MAXIMUM_BYTES = 64 * 1024


class SecretFileError(Exception):
    """A secret's file cannot be read; `reason`: directory, name, missing or size."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def directory():
    """Return the directory of the server option payment_secrets_dir or PAYMENT_SECRETS_DIR."""
    return config.get("payment_secrets_dir") or os.environ.get("PAYMENT_SECRETS_DIR") or ""


def read_secret(value):
    """Return the secret that a field's value is or names."""
    if not value or not value.startswith(PREFIX):
        return value or ""
    if not (folder := directory()):
        raise SecretFileError("directory")
    name = value[len(PREFIX) :].strip()
    if not NAME.fullmatch(name):
        raise SecretFileError("name")
    base = Path(folder).resolve()
    path = (base / name).resolve()
    if path.parent != base:
        raise SecretFileError("name")  # A link that leads out of the directory.
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise SecretFileError("size")
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SecretFileError("missing") from None

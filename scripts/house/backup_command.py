"""The command lines of `scripts/backup` and `scripts/restore`; needs nothing but Python itself."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from . import bootstrap, paths, settings

STEPS = 3
BACKUP = """\
Copies a database, Odoo's files and the root key of the link to a new folder, while everything may
go on running. The root key is encrypted with a passphrase: without it the meters' keys in the copy
cannot be used, and the passphrase is kept nowhere.
"""
RESTORE = """\
Makes a new database out of what scripts/backup wrote, after checking every file of it. Nothing that
exists is overwritten.
"""
SERVER = """\
The server is the private one of scripts/run, or the one that odoo.conf or PGHOST, PGPORT, PGUSER
and PGPASSWORD name.
"""


def parse_backup(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line of `scripts/backup`."""
    parser = _parser("scripts/backup", BACKUP)
    parser.add_argument("folder", type=Path, help="folder to write, not there yet")
    parser.add_argument(
        "--database", default=settings.read(os.environ).database, help="default: %(default)s"
    )
    return parser.parse_args(arguments)


def parse_restore(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line of `scripts/restore`."""
    parser = _parser("scripts/restore", RESTORE)
    parser.add_argument("folder", type=Path, help="folder that scripts/backup wrote")
    parser.add_argument("--database", help="name of the new database; default: as it was")
    return parser.parse_args(arguments)


def enter_backup(arguments: Sequence[str]) -> int:
    """Read the command line, then go on inside the virtual environment."""
    parse_backup(arguments)
    bootstrap.enter("house.backup", "requirements.txt", arguments, STEPS)
    return 0


def enter_restore(arguments: Sequence[str]) -> int:
    """Read the command line, then go on inside the virtual environment."""
    parse_restore(arguments)
    bootstrap.enter("house.restore", "requirements.txt", arguments, STEPS)
    return 0


def _parser(name: str, text: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        name,
        description=f"{text}\n{SERVER}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=paths.LOCAL / "run" / "data",
        help="Odoo's folder of files (default: that of scripts/run)",
    )
    parser.add_argument(
        "--root-key-file",
        type=Path,
        default=Path(os.environ.get("ACREL_LINK_ROOT_KEY_FILE") or paths.ROOT_KEY),
        help="the root key (default: ACREL_LINK_ROOT_KEY_FILE, or that of scripts/run)",
    )
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        help="file with the passphrase of the root key in its first line; asked for otherwise",
    )
    return parser

"""Device keys for the simulated meters of scripts/run, made as for real ones.

A root key that only this user can read, keys issued to a provisioning package by
`odoo meter_keys`, and a passphrase beside it: a real bench would hand that over another way.
"""

import os
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import paths
from .errors import Refused
from .odoo_command import last_error
from .stack import Stack

# The simulated meters whose links have no key that would let them in.
WITHOUT_KEY = """
SELECT count(*) FROM acrel_link l WHERE l.serial = ANY(%s) AND NOT EXISTS (
       SELECT 1 FROM acrel_link_key k
        WHERE k.link_id = l.id AND k.serial = l.serial AND k.state = 'current')
"""
SEAL = "UPDATE acrel_link SET channel = 'sealed' WHERE serial = ANY(%s) AND channel = 'plain'"


def make_root_key(file: Path = paths.ROOT_KEY) -> None:
    """Make a root key, that of scripts/run's link unless another is named, once."""
    if not file.exists():
        paths.make(file.parent)
        _keys(None, "make-root", "--out", file)


def provision(stack: Stack, serials: Sequence[str], name: str = "meters") -> list[str]:
    """See to it that these meters have keys; return how the simulator is told of them.

    Links that an operator put on another channel than plain stay there.
    """
    package, passphrase = files(stack, name)
    if not passphrase.exists():
        with os.fdopen(os.open(passphrase, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
    with stack.odoo.server.connect(stack.database) as connection:
        connection.execute(SEAL, [list(serials)])
        missing = connection.execute(WITHOUT_KEY, [list(serials)]).fetchone()[0]
    if missing or not package.exists():
        package.unlink(missing_ok=True)
        named = [word for serial in serials for word in ("--serial", serial)]
        _keys(
            stack,
            *("issue", *named, "--reissue"),
            *("--out", package, "--passphrase-file", passphrase),
        )
    return [
        "--channel=sealed",
        f"--package={package}",
        f"--passphrase-file={passphrase}",
    ]


def files(stack: Stack, name: str) -> tuple[Path, Path]:
    """Give the package and the file of its passphrase."""
    stem = f"{name}-{stack.database}"
    return stack.odoo.folder / f"{stem}.package.json", stack.odoo.folder / f"{stem}.passphrase"


def _keys(stack: Stack | None, *words: str | Path) -> None:
    """Run `odoo meter_keys`; outside a database its program alone."""
    if stack is None:
        line = [str(paths.PYTHON), "-m", "acrel_link.keys", *map(str, words)]
        env = {**os.environ, "PYTHONPATH": str(paths.ADDONS / "acrel_meter_link")}
    else:
        line, env = stack.odoo.line("meter_keys", *words), stack.env()
    done = subprocess.run(
        line, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Refused(f"The meters' keys cannot be made: {last_error(done.stderr)}")

"""Where things are: the project's own files, and what the set-up makes under `.local/`."""

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from .errors import Refused

ROOT = Path(__file__).resolve().parents[2]
ADDONS = ROOT / "addons"
LOCAL = ROOT / ".local"
VENV = LOCAL / "venv"
PYTHON = VENV / "bin" / "python"
ODOO = LOCAL / "odoo"
LOGS = LOCAL / "log"
ROOT_KEY = LOCAL / "run" / "root.key"  # of the link that scripts/run starts

# Lowest first; the providers of payments need none of ours, and none of ours needs them.
CHARGING_ADDONS = ("acrel_meter_link", "acrel_charging", "acrel_billing", "acrel_shore_power")
PAYMENT_ADDONS = ("payment_wechatpay", "payment_alipay_cn")
OUR_ADDONS = (*CHARGING_ADDONS, *PAYMENT_ADDONS)


def cache() -> Path:
    """Give the folder of downloads; ACREL_CACHE lets several clones share one."""
    named = os.environ.get("ACREL_CACHE")
    return Path(named).resolve() if named else LOCAL / "cache"


def make(folder: Path) -> Path:
    """Make a folder with its parents, or say why it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            f"The folder {folder} cannot be made ({error.strerror}); "
            "give this user the right to write there, or clone the project elsewhere."
        ) from error
    return folder


@contextlib.contextmanager
def only_one(name: str) -> Iterator[None]:
    """Let one process at a time do what is called `name` in this clone; others wait."""
    with open(make(LOCAL) / f"{name}.lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f"      waiting: another command of this clone holds {lock.name}", file=sys.stderr
            )
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield

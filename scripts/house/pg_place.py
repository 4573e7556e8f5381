"""Where a private PostgreSQL cluster lies, and as which user it runs."""

import dataclasses
import hashlib
import os
import pwd
import subprocess
import tempfile
from pathlib import Path

from . import paths
from .errors import Refused

# A unix socket's path may have 107 bytes; the file in the folder is called .s.PGSQL.5432.
LONGEST_SOCKET_FOLDER = 84
SYSTEM_USERS = ("postgres", "nobody")


@dataclasses.dataclass(frozen=True)
class Place:
    """Folders of a cluster and the system user it runs as (None: ourselves)."""

    base: Path
    user: str | None

    @property
    def data(self) -> Path:
        """The cluster's data."""
        return self.base / "data"

    @property
    def socket(self) -> Path:
        """The folder of its socket: short enough for a socket's path, and closed to others."""
        folder = self.base / "socket"
        if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
            return folder
        return Path(tempfile.gettempdir()) / f"acrel-pg-{os.geteuid()}-{_digest(self.base)}"

    def prepare(self) -> None:
        """Make the folders and give them to the cluster's user alone."""
        for folder in (self.base, self.socket):
            self._make_way(folder)
            owner = pwd.getpwnam(self.user).pw_uid if self.user else os.geteuid()
            if os.geteuid() == 0:
                os.chown(folder, owner, -1)
            if folder.stat().st_uid != owner:
                raise Refused(
                    f"The folder {folder} belongs to another user; remove it or start as its owner."
                )
            folder.chmod(0o700)

    def _make_way(self, folder: Path) -> None:
        """Make a folder; the cluster's user can pass through what is made above it."""
        missing = [above for above in folder.parents if not above.exists()]
        paths.make(folder)
        if self.user:
            for above in missing:
                above.chmod(0o711)


def choose(name: str) -> Place:
    """Choose the place of a cluster: under `.local/`, or where root's stand-in can reach it."""
    wanted = paths.make(paths.LOCAL) / name / "postgres"
    if os.geteuid() != 0:
        return Place(wanted, None)
    user = system_user()
    paths.make(wanted.parent)
    if reaches(user, wanted.parent):
        return Place(wanted, user)
    # A clone under root's own closed home: PostgreSQL's user cannot go there.
    return Place(Path("/var/lib/acrel-charging") / _digest(paths.LOCAL) / name / "postgres", user)


def system_user() -> str:
    """Name the user that stands in for root, as which PostgreSQL refuses to run."""
    for name in SYSTEM_USERS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise Refused(
        "PostgreSQL does not run as root, and this machine has neither the user postgres nor "
        "nobody; add one of them, or start as an ordinary user."
    )


def reaches(user: str, folder: Path) -> bool:
    """Say whether a user can enter a folder."""
    entry = pwd.getpwnam(user)
    done = subprocess.run(
        ["test", "-x", folder],
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return done.returncode == 0


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]

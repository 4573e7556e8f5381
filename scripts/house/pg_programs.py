"""PostgreSQL's programs: the machine's own, or Debian's unpacked under `.local/`."""

import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path

from . import apt, paths
from .errors import Refused
from .shell import run

OLDEST = 14
SYSTEM = Path("/usr/lib/postgresql")


@dataclasses.dataclass(frozen=True)
class Programs:
    """A folder of PostgreSQL's programs, its major version, and what they need to run."""

    bin: Path
    major: int
    libraries: tuple[Path, ...] = ()

    def env(self) -> dict[str, str]:
        """Give the environment in which the programs find their libraries."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PG")
        }
        environment["LC_ALL"] = "C.UTF-8"
        if self.libraries:
            environment["LD_LIBRARY_PATH"] = ":".join(map(str, self.libraries))
        return environment


def find_or_install(base: Path, note: Callable[[str], None], major: int | None = None) -> Programs:
    """Give the newest programs (or those of a cluster's major version); fetch them when missing."""
    unpacked = base / "postgresql"
    found = _search(SYSTEM, ()) + _search_unpacked(unpacked)
    if not found:
        with paths.only_one("postgresql"):
            if not _search_unpacked(unpacked):
                _install(unpacked, note)
        found = _search_unpacked(unpacked)
    fitting = [programs for programs in found if major in (None, programs.major)]
    if not fitting:
        there = ", ".join(str(programs.major) for programs in found) or "none"
        raise Refused(
            f"The private cluster is PostgreSQL {major}, but the machine has {there}; install "
            f"postgresql-{major}, or move the cluster away to begin with a new one."
        )
    return max(fitting, key=lambda programs: programs.major)


def _search(folder: Path, libraries: tuple[Path, ...]) -> list[Programs]:
    return [
        Programs(path.parent, int(path.parent.parent.name), libraries)
        for path in folder.glob("*/bin/postgres")
        if re.fullmatch(r"\d+", path.parent.parent.name)
        and int(path.parent.parent.name) >= OLDEST
        and (path.parent / "initdb").exists()
    ]


def _search_unpacked(root: Path) -> list[Programs]:
    return _search(root / "usr/lib/postgresql", tuple(apt.library_folders(root)))


def _install(root: Path, note: Callable[[str], None]) -> None:
    fresh = root.with_name(f"{root.name}.new-{os.getpid()}")
    debs = apt.Apt(paths.cache(), apt.OWN, note).fetch_with_missing(["postgresql"])
    note("      unpacking PostgreSQL")
    apt.unpack(debs, fresh)
    run(
        ["chmod", "-R", "go+rX", fresh],
        fails="The unpacked PostgreSQL cannot be opened to its user:",
    )
    fresh.rename(root)

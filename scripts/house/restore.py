"""`scripts/restore`: a new database out of a backup, with its files and the root key."""

import os
import re
import shutil
import sys
from pathlib import Path

from . import archive, bootstrap, paths, pg_tools
from .backup_command import STEPS, parse_restore
from .errors import Refused, exit_code
from .pg_tools import Tools


def main() -> int:
    """Restore what the command line names."""
    chosen = parse_restore(sys.argv[1:])
    steps = bootstrap.steps(STEPS)
    steps.step(f"Check {chosen.folder}")
    manifest = archive.read_manifest(chosen.folder)
    database = chosen.database or manifest["database"]
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", database):
        raise Refused(
            f"{database!r} is no name for a database here: take lower-case letters, digits and _."
        )
    key = _root_key(chosen.folder / archive.ROOT_KEY, chosen.root_key_file, chosen.passphrase_file)
    files = chosen.data_dir / "filestore" / database
    with pg_tools.in_use(steps.note) as tools:
        if tools.server.exists(database) or files.exists():
            raise Refused(
                f"The database {database} or its folder {files} exists already and is not "
                "overwritten; name another one by --database."
            )
        steps.step(f"Database {database}")
        _restore(tools, chosen.folder, database, files)
    if key:
        _keep_root_key(key, chosen.root_key_file)
    print(f"\nRestored to the database {database}. Start it with ACREL_DB={database} scripts/run.")
    return 0


def _root_key(packed: Path, to: Path, passphrase_file: Path | None) -> bytes | None:
    """Open the root key before anything is made; None where it is there already, or was none."""
    if not packed.exists():
        return None
    key = archive.unlock(packed.read_text(), archive.passphrase(passphrase_file, new=False))
    if not to.exists():
        return key
    if to.read_bytes() != key:
        raise Refused(
            f"{to} holds another root key and is not overwritten; name a new file by "
            "--root-key-file, and start the link with both in ACREL_LINK_ROOT_KEY_FILE."
        )
    return None


def _restore(tools: Tools, folder: Path, database: str, files: Path) -> None:
    """Fill a database under a name of its own, which is given up whole when that fails."""
    building, where = f"{database}_restoring", tools.server
    where.drop(building)
    where.create(building)
    try:
        tools.run(
            "pg_restore",
            "--exit-on-error",
            "--no-owner",
            f"--dbname={building}",
            folder / archive.DUMP,
            fails=f"The backup cannot be restored to the database {database}",
        )
        if (folder / archive.FILES).exists():
            shutil.copytree(folder / archive.FILES, files)
        where.rename(building, database)
    except BaseException:
        where.drop(building)
        shutil.rmtree(files, ignore_errors=True)
        raise


def _keep_root_key(key: bytes, to: Path) -> None:
    paths.make(to.parent)
    with open(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    sys.exit(exit_code(main))

"""`scripts/backup`: a database, its files and the root key in a folder of their own.

Odoo's own `db dump` is not used: its restore goes on after an error of psql, and it needs room for
three copies. pg_dump's custom format is one consistent picture, whatever runs meanwhile.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from . import archive, bootstrap, pg_tools
from .backup_command import STEPS, parse_backup
from .errors import Refused, exit_code
from .pg_tools import Tools
from .server import Server


def main() -> int:
    """Back up what the command line names."""
    chosen = parse_backup(sys.argv[1:])
    steps = bootstrap.steps(STEPS)
    key = _root_key(chosen.root_key_file)
    words = archive.passphrase(chosen.passphrase_file, new=True) if key else None
    with pg_tools.in_use(steps.note) as tools, _new_folder(chosen.folder) as folder:
        if not tools.server.exists(chosen.database):
            raise Refused(f"There is no database {chosen.database} to back up.")
        steps.step(f"Database {chosen.database} and its files")
        files = chosen.data_dir / "filestore" / chosen.database
        # Before and after the dump: Odoo may remove a file meanwhile that the picture names, and
        # add one. A file's name is its content's digest, so the two copies never differ.
        _copy_missing(files, folder / archive.FILES)
        _dump(tools, chosen.database, folder / archive.DUMP)
        _copy_missing(files, folder / archive.FILES)
        if key:
            _write(folder / archive.ROOT_KEY, archive.lock_away(key, words))
        steps.step("Check sums")
        archive.write_manifest(
            folder,
            database=chosen.database,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            modules=_modules(tools.server, chosen.database),
        )
    size = sum(file.stat().st_size for file in chosen.folder.rglob("*") if file.is_file())
    print(f"\nBacked up to {chosen.folder} ({size / 2**20:.1f} MiB).")
    if not key:
        print(f"There was no root key at {chosen.root_key_file}, so none is in it.")
    return 0


def _root_key(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"The root key {file} cannot be read ({error.strerror}).") from error


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Make the folder for us alone; a backup that fails leaves nothing that looks like one."""
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise Refused(
            f"The folder {folder} cannot be made ({error.strerror}); name one that is not there."
        ) from error
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder)
        raise


def _copy_missing(files: Path, to: Path) -> None:
    for file in files.glob("??/*"):
        copy = to / file.parent.name / file.name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # removed by Odoo at this moment
                shutil.copy2(file, copy)


def _modules(where: Server, database: str) -> dict[str, str]:
    with where.connect(database) as connection:
        return dict(
            connection.execute(
                "SELECT name, latest_version FROM ir_module_module WHERE state = 'installed'"
            )
        )


def _dump(tools: Tools, database: str, file: Path) -> None:
    _write(file, "")  # before pg_dump, which would make it readable to others
    tools.run(
        "pg_dump",
        "--format=custom",
        "--no-owner",
        f"--file={file}",
        database,
        fails=f"The database {database} cannot be dumped",
    )


def _write(file: Path, text: str) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as content:
        content.write(text)


if __name__ == "__main__":
    sys.exit(exit_code(main))

"""Databases made for a purpose: the company's base, and on it our add-ons with their demo data."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from . import company, paths
from .errors import Refused
from .odoo_command import OdooCommand

# What our add-ons stand on. Bridges between them that nobody asked for stay out, for a quick start.
BASE_MODULES = (
    "account",
    "account_payment",
    "analytic",
    "auth_signup",
    "bus",
    "l10n_cn",
    "mail",
    "payment_demo",
    "portal",
)
LANGUAGES = ("zh_CN",)
STAMP = "acrel.house_stamp"


class Databases:
    """Makes, updates, clones and drops databases together with their files."""

    def __init__(self, odoo: OdooCommand, note: Callable[[str], None]):
        self.odoo = odoo
        self.server = odoo.server
        self.note = note

    def make_base(self, database: str) -> None:
        """Make a database with Odoo's own modules and the company, without our add-ons."""
        with self._under_construction(database) as building:
            self.note("      installing Odoo's own modules (about a minute)")
            self._install(building, BASE_MODULES)
            self._set_up_company(building)
            self.server.set_parameter(building, STAMP, base_digest())

    def make_demo(self, database: str, base: str | None = None) -> None:
        """Make a database with our add-ons and their demo data, on a clone of a base if any."""
        with self._under_construction(database) as building:
            if base:
                self.clone(base, building)
            else:
                self.note("      installing Odoo's own modules (about a minute)")
                self._install(building, BASE_MODULES)
                self._set_up_company(building)
            self.note("      installing the add-ons with their demo data")
            self._install(building, our_addons(), demo=True)
            self.server.set_parameter(building, STAMP, addons_digest())

    def make_modules(
        self,
        database: str,
        modules: Sequence[str],
        base: str | None,
        languages: Sequence[str] = LANGUAGES,
    ) -> None:
        """Make a database with some of Odoo's modules and nothing else, no company set up."""
        with self._under_construction(database) as building:
            present: set[str] = set()
            if base:
                self.clone(base, building)
                present = self.installed(building)
            new = [name for name in modules if name not in present]
            self.note(f"      installing {', '.join(new)}")
            self._install(building, new, languages=languages)
            self.server.set_parameter(building, STAMP, modules_digest(modules, languages))

    def update(self, database: str) -> bool:
        """Update our add-ons in a database when their files changed since; say whether they had."""
        if self.stamp(database) == addons_digest():
            return False
        self.note("      the add-ons changed: updating the database")
        present = self.installed(database)
        new = [name for name in our_addons() if name not in present]
        old = [name for name in our_addons() if name in present]
        if new:
            self._install(database, new, demo=True)
        if old:
            self._odoo(database, "-u", ",".join(old), fails="The add-ons cannot be updated")
        self.server.set_parameter(database, STAMP, addons_digest())
        return True

    def clone(self, template: str, database: str) -> None:
        """Copy a database on which nobody works, with its files."""
        self.server.clone(template, database)
        files = self.odoo.filestore(database)
        shutil.rmtree(files, ignore_errors=True)
        if self.odoo.filestore(template).exists():
            shutil.copytree(self.odoo.filestore(template), files)

    def drop(self, database: str) -> None:
        """Drop a database and its files."""
        self.server.drop(database)
        shutil.rmtree(self.odoo.filestore(database), ignore_errors=True)
        # what a link process kept for it on the disk is of no other database
        shutil.rmtree(self.odoo.data_dir / "meter_link" / database, ignore_errors=True)

    def installed(self, database: str) -> set[str]:
        """Give the names of the installed modules."""
        with self.server.connect(database) as connection:
            rows = connection.execute(
                "SELECT name FROM ir_module_module WHERE state = 'installed'"
            ).fetchall()
        return {name for (name,) in rows}

    def is_odoo(self, database: str) -> bool:
        """Say whether a database holds Odoo."""
        with self.server.connect(database) as connection:
            found = connection.execute("SELECT to_regclass('public.ir_module_module')").fetchone()
        return bool(found[0])

    def stamp(self, database: str) -> str | None:
        """Give the digest of the files a database was made or updated from."""
        return self.server.parameter(database, STAMP)

    def _under_construction(self, database: str) -> "_Construction":
        return _Construction(self, database)

    def _set_up_company(self, database: str) -> None:
        self.odoo.script(
            database,
            company.SET_UP,
            log=self._log(database),
            fails="The demonstration's company cannot be set up",
        )

    def _install(
        self,
        database: str,
        modules: Iterable[str],
        *,
        demo: bool = False,
        languages: Sequence[str] = LANGUAGES,
    ) -> None:
        if demo:
            # Odoo gives demo data only to modules whose dependencies have theirs. Ours stand on the
            # company set up above, and Odoo's own demo companies would only be in the way.
            self._mark_demo(database, True)
        self._odoo(
            database,
            "-i",
            ",".join(modules),
            "--skip-auto-install",
            *(["--with-demo"] if demo else []),
            *([f"--load-language={','.join(languages)}"] if languages and not demo else []),
            fails="Odoo's modules cannot be installed",
        )
        if demo:
            self._mark_demo(database, False)

    def _mark_demo(self, database: str, demo: bool) -> None:
        with self.server.connect(database) as connection:
            connection.execute(
                "UPDATE ir_module_module SET demo = %s "
                "WHERE state = 'installed' AND name <> ALL(%s)",
                (demo, list(our_addons())),
            )

    def _odoo(self, database: str, *words: str, fails: str) -> None:
        log = self.odoo.run(
            "server",
            "-d",
            database,
            "--no-http",
            "--max-cron-threads=0",
            "--stop-after-init",
            *words,
            log=self._log(database),
            fails=fails,
        )
        # Odoo installs a module without its demo data when that fails, and goes on.
        if "demo data failed to install" in log:
            raise Refused(f"The demo data cannot be loaded; see {self._log(database)}.")

    def _log(self, database: str) -> Path:
        return paths.LOGS / f"setup-{database}.log"


class _Construction:
    """A database gets its name only when it is whole; a half-made one is never mistaken for it."""

    def __init__(self, databases: Databases, database: str):
        self.databases = databases
        self.database = database
        self.building = f"{database}_making"

    def __enter__(self) -> str:
        self.databases.drop(self.building)
        return self.building

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind:
            self.databases.drop(self.building)
            return
        files = self.databases.odoo.filestore(self.building)
        final = self.databases.odoo.filestore(self.database)
        shutil.rmtree(final, ignore_errors=True)
        if files.exists():
            files.rename(final)
        self.databases.server.rename(self.building, self.database)


def our_addons() -> list[str]:
    """Give our add-ons that are there, lowest first, then the providers of payments."""
    return [name for name in paths.OUR_ADDONS if (paths.ADDONS / name / "__manifest__.py").exists()]


def base_digest() -> str:
    """Digest what the base depends on."""
    text = repr((BASE_MODULES, company.SET_UP, (paths.ROOT / "requirements.txt").read_text()))
    return hashlib.sha256(text.encode()).hexdigest()


def modules_digest(modules: Sequence[str], languages: Sequence[str] = LANGUAGES) -> str:
    """Digest what a database of Odoo's own modules depends on."""
    text = repr((tuple(modules), tuple(languages), (paths.ROOT / "requirements.txt").read_text()))
    return hashlib.sha256(text.encode()).hexdigest()


def addons_digest() -> str:
    """Digest every file of our add-ons that Odoo reads into a database."""
    digest = hashlib.sha256(base_digest().encode())
    for name in our_addons():
        for file in sorted((paths.ADDONS / name).rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                digest.update(str(file.relative_to(paths.ADDONS)).encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()

"""Odoo 19: the one named by ODOO_HOME, or Debian's package unpacked under `.local/odoo`."""

import dataclasses
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from . import apt, paths
from .errors import Refused

# Debian replaces fonts and scripts inside Odoo by links into these packages.
LINKED_PACKAGES = (
    "fonts-font-awesome",
    "fonts-inconsolata",
    "fonts-montserrat",
    "fonts-ocr-b",
    "fonts-roboto-unhinted",
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
)
# Debian's build leaves this file out (it is not free software) while the manifest of `mail` still
# names it, so that every back-office page ends in an error. It blurs the background of video calls;
# an empty file in our unpacked copy turns that one feature off and lets the pages load.
MISSING_SCRIPT = "mail/static/lib/selfie_segmentation/selfie_segmentation.js"


@dataclasses.dataclass(frozen=True)
class OdooHome:
    """An Odoo 19 that can be started: its script, and the folder its package is imported from."""

    script: Path
    import_path: Path
    addons: tuple[Path, ...]


def find_or_install(note: Callable[[str], None]) -> OdooHome:
    """Give the Odoo named by ODOO_HOME, or unpack Debian's when it is not there yet."""
    named = os.environ.get("ODOO_HOME")
    if named:
        return locate(Path(named).expanduser())
    with paths.only_one("odoo"):
        if not paths.ODOO.exists():
            _install(note)
    return locate(paths.ODOO)


def locate(home: Path) -> OdooHome:
    """Recognise a source checkout, an unpacked package or an installed prefix, and its version."""
    home = home.resolve()
    checkout = OdooHome(home / "odoo-bin", home, (home / "odoo/addons", home / "addons"))
    prefixes = [home / "usr", home]
    unpacked = [
        OdooHome(prefix / "bin/odoo", packages, (packages / "odoo/addons",))
        for prefix in prefixes
        for packages in (prefix / "lib/python3/dist-packages",)
    ]
    for found in (checkout, *unpacked):
        release = found.import_path / "odoo" / "release.py"
        if found.script.is_file() and release.is_file():
            version = re.search(r"version_info\s*=\s*\(\s*'?(?:saas~)?(\d+)", release.read_text())
            if not version or version.group(1) != "19":
                raise Refused(f"The Odoo in {home} is not version 19; name another by ODOO_HOME.")
            return found
    raise Refused(
        f"No Odoo is found in {home}: expected odoo-bin with the folder odoo, or bin/odoo with "
        "lib/python3/dist-packages; name another folder by ODOO_HOME, or unset it."
    )


def _install(note: Callable[[str], None]) -> None:
    cache = paths.cache()
    fresh = paths.make(paths.LOCAL) / f"odoo.new-{os.getpid()}"
    for old in paths.LOCAL.glob("odoo.new-*"):
        shutil.rmtree(old)
    try:
        debs = apt.fetch_each(["odoo-19", *LINKED_PACKAGES], cache, note)
        note(f"      unpacking {debs[0].name}")
        apt.unpack(debs, fresh)
        script = locate(fresh).addons[0] / MISSING_SCRIPT
        if not script.exists():
            paths.make(script.parent)
            script.touch()
        fresh.rename(paths.ODOO)
    finally:
        # Where a signal ended this, dpkg's tar may still write there: the next start clears it.
        shutil.rmtree(fresh, ignore_errors=True)

"""Chromium for the browser tests, with a Chinese font: the machine's own or Debian's unpacked."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from . import apt, paths

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FONT = "fonts-wqy-zenhei"
FOLDER = paths.LOCAL / "chromium"
LAUNCHER = FOLDER / "bin" / "chromium"

FONTS_CONF = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
</fontconfig>
"""
LAUNCH = """\
#!/bin/sh
# Made by the set-up: starts {program} with the libraries and fonts it needs.
{exports}
exec "{program}" "$@"
"""


def find_or_install(note: Callable[[str], None]) -> Path:
    """Give a launcher that starts Chromium with a Chinese font; fetch what the machine lacks."""
    with paths.only_one("chromium"):
        if not LAUNCHER.exists():
            _install(note)
    return LAUNCHER


def _install(note: Callable[[str], None]) -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    source = apt.Apt(paths.cache(), apt.OWN, note)
    root = FOLDER / "root"
    apt.unpack(source.fetch([FONT]), root)
    fonts = FOLDER / "fonts.conf"
    fonts.write_text(FONTS_CONF.format(fonts=root / "usr/share/fonts", cache=FOLDER / "fontcache"))
    exports = {"FONTCONFIG_FILE": fonts}
    program = next((path for path in map(shutil.which, NAMES) if path), None)
    if not program:
        note("      Chromium is not installed here: unpacking Debian's")
        apt.unpack(source.fetch_with_missing(["chromium"]), root)
        program = root / "usr/lib/chromium/chromium"
        libraries = [*apt.library_folders(root), root / "usr/lib/chromium"]
        exports["LD_LIBRARY_PATH"] = ":".join(map(str, libraries))
    text = "\n".join(f'export {name}="{value}"' for name, value in exports.items())
    paths.make(LAUNCHER.parent)
    fresh = LAUNCHER.with_suffix(f".{os.getpid()}")
    fresh.write_text(LAUNCH.format(program=program, exports=text))
    fresh.chmod(0o755)
    fresh.replace(LAUNCHER)

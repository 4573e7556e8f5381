"""Debian packages, downloaded by apt under a configuration of our own and never installed.

The machine's apt lists, locks and sources stay untouched. Every package is checked twice: apt
checks the signature of the index it comes from, and the SHA-256 in that index is compared with the
file each time it is taken from the cache.
"""

import dataclasses
import hashlib
import os
import re
import subprocess
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path

from . import apt_sources
from .errors import Refused
from .paths import make
from .shell import need, run

OWN, TESTING, UNSTABLE = "own", "testing", "unstable"


@dataclasses.dataclass(frozen=True)
class Package:
    """One package in the index of a suite."""

    name: str
    version: str
    filename: str
    sha256: str


class Apt:
    """Apt under lists, cache and sources of its own, for one suite of the machine's mirror."""

    def __init__(self, cache: Path, suite: str, note: Callable[[str], None] = print):
        self.suite = suite
        self.note = note
        self.debs = make(cache / "debs")
        self.base = make(cache / "apt" / suite)
        self.lists = make(self.base / "lists")
        make(self.lists / "partial")
        make(self.base / "archives" / "partial")
        own = apt_sources.own(apt_sources.machine_stanzas(), apt_sources.codename())
        stanzas = own if suite == OWN else [apt_sources.elsewhere(own, suite)]
        self.sources = self.base / "debian.sources"
        self.sources.write_text("\n".join(stanza.text() for stanza in stanzas))
        self.options = self._options()
        self.updated = False

    def _options(self) -> list[str]:
        settings = {
            "Dir::Etc::SourceList": self.sources,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State::Lists": self.lists,
            "Dir::Cache": self.base,
            "Dir::Cache::Archives": self.base / "archives",
            "APT::Default-Release": "",
            "Debug::NoLocking": "true",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            # The cache may lie where apt's own user cannot go; signatures are checked all the same.
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::AllowWeakRepositories": "false",
            "Acquire::AllowDowngradeToInsecureRepositories": "false",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def _tool(self, tool: str, *words: str, fails: str, cwd: Path | None = None) -> str:
        environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        return run([tool, *self.options, *words], cwd=cwd, env=environment, fails=fails)

    def update(self) -> None:
        """Fetch and verify the index of the suite."""
        self.note(f"      reading Debian's index ({self.suite})")
        # --error-on=any: an index whose signature fails is an error, not a warning over old lists.
        self._tool(
            "apt-get",
            "update",
            "-qq",
            "--error-on=any",
            fails=f"Debian's index for the suite {self.suite} cannot be read; "
            "check the network and /etc/apt/sources.list, then start again.",
        )
        self.updated = True

    def has_lists(self) -> bool:
        """Say whether an index was read before."""
        return any(self.lists.glob("*_Packages*"))

    def find(self, names: Sequence[str]) -> dict[str, Package]:
        """Look packages up by `name` or `name=version`; those missing are left out."""
        shown = subprocess.run(
            ["apt-cache", *self.options, "show", "--no-all-versions", *names],
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        found = {}
        for block in shown.split("\n\n"):
            fields = dict(
                re.findall(r"^(Package|Version|Filename|SHA256): (.+)$", block, re.MULTILINE)
            )
            if len(fields) == 4:
                name, file = fields["Package"], Path(fields["Filename"]).name
                found.setdefault(name, Package(name, fields["Version"], file, fields["SHA256"]))
        return found

    def fetch(self, names: Sequence[str]) -> list[Path]:
        """Give the files of these packages, from the cache where the index vouches for them."""
        if not self.has_lists():
            self.update()
        found = self.find(names)
        if not self.updated and not all(
            name in found and self._cached(found[name]) for name in names
        ):
            self.update()
            found = self.find(names)
        missing = [name for name in names if name not in found]
        if missing:
            raise Refused(f"Debian's suite {self.suite} has no package {', '.join(missing)}.")
        return self._download([found[name] for name in names])

    def fetch_with_missing(self, names: Sequence[str]) -> list[Path]:
        """Give the files of these packages and of all they need that the machine does not have."""
        need("dpkg", "to see which packages the machine has")
        if not self.has_lists():
            self.update()
        packages = self._closure(names)
        if not self.updated and not (packages and all(map(self._cached, packages))):
            self.update()
            packages = self._closure(names)
        if not packages:
            raise Refused(
                f"Debian's suite {self.suite} cannot give {', '.join(names)} to this machine; "
                "install it with apt, then start again."
            )
        return self._download(packages)

    def _closure(self, names: Sequence[str]) -> list[Package]:
        """List what apt would install for these names; nothing when apt cannot."""
        words = ["install", "--print-uris", "-qq", "--no-install-recommends", *names]
        try:
            shown = self._tool("apt-get", *words, fails="")
        except Refused:
            return []
        files = re.findall(r"^'[^']+' (\S+)_(\S+)_\w+\.deb ", shown, re.MULTILINE)
        wanted = [f"{name}={urllib.parse.unquote(version)}" for name, version in files]
        found = self.find(wanted)
        return [found[name] for name, _ in files] if len(found) == len(files) else []

    def _path(self, package: Package) -> Path:
        return self.debs / package.filename

    def _cached(self, package: Package) -> bool:
        path = self._path(package)
        return path.exists() and _sha256(path) == package.sha256

    def _download(self, packages: Sequence[Package]) -> list[Path]:
        """Download what the cache does not have as the index describes it."""
        missing = [package for package in packages if not self._cached(package)]
        if missing:
            self.note(f"      downloading {_shown(missing)}")
            folder = make(self.base / "download")
            for old in folder.iterdir():
                old.unlink()
            self._tool(
                "apt-get",
                "download",
                "-qq",
                *(f"{package.name}={package.version}" for package in missing),
                cwd=folder,
                fails=f"{_shown(missing)} cannot be downloaded from Debian's mirror; "
                "check the network, then start again.",
            )
            for file in folder.iterdir():
                # apt names a file after its version, the index after the archive's own name.
                name, _, _ = file.name.partition("_")
                package = next((p for p in missing if p.name == name), None)
                if package is None or _sha256(file) != package.sha256:
                    raise Refused(f"The download {file} is not the file Debian's index describes.")
                file.replace(self._path(package))
        return [self._path(package) for package in packages]


def fetch_each(names: Sequence[str], cache: Path, note: Callable[[str], None]) -> list[Path]:
    """Give each package from the first suite that has it: the machine's own, testing, unstable."""
    found: dict[str, Apt] = {}
    reasons = []
    for suite in (OWN, TESTING, UNSTABLE):
        missing = [name for name in names if name not in found]
        if not missing:
            break
        try:
            apt = Apt(cache, suite, note)
            if not apt.has_lists():
                apt.update()
            found |= dict.fromkeys(apt.find(missing), apt)
        except Refused as refusal:
            reasons.append(str(refusal))
    missing = [name for name in names if name not in found]
    if missing:
        raise Refused(
            f"Debian's suites {OWN}, {TESTING} and {UNSTABLE} do not give {', '.join(missing)}. "
            + " ".join(reasons or ["Name an Odoo 19 of yours by ODOO_HOME."])
        )
    fetched: dict[str, Path] = {}
    for apt in dict.fromkeys(found.values()):
        theirs = [name for name in names if found[name] is apt]
        fetched |= zip(theirs, apt.fetch(theirs), strict=True)
    return [fetched[name] for name in names]


def unpack(debs: Sequence[Path], root: Path) -> None:
    """Unpack packages into a folder, as dpkg would into `/`, without their scripts."""
    make(root)
    for deb in debs:
        run(["dpkg-deb", "-x", deb, root], fails=f"The package {deb.name} cannot be unpacked:")


def library_folders(root: Path) -> list[Path]:
    """List the folders of shared libraries among unpacked packages."""
    libraries = (*root.glob("usr/lib/*-linux-*/*.so*"), *root.glob("usr/lib/*-linux-*/*/*.so*"))
    return sorted({path.parent for path in libraries})


def _shown(packages: Sequence[Package]) -> str:
    names = [package.name for package in packages]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

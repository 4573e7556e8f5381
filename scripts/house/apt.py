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
            # The cache may lie where apt's own user cannot go; the signatures are checked all the same.
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

    def find(self, name: str, version: str | None = None) -> Package | None:
        """Look a package up in the index, as the newest or in the version asked for."""
        shown = subprocess.run(
            ["apt-cache", *self.options, "show", f"{name}={version}" if version else name],
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for block in shown.split("\n\n"):
            fields = dict(
                re.findall(r"^(Package|Version|Filename|SHA256): (.+)$", block, re.MULTILINE)
            )
            if len(fields) == 4 and fields["Package"] == name.split(":")[0]:
                return Package(
                    name, fields["Version"], Path(fields["Filename"]).name, fields["SHA256"]
                )
        return None

    def fetch(self, names: Sequence[str]) -> list[Path]:
        """Give the files of these packages, from the cache where the index vouches for them."""
        if not self.has_lists():
            self.update()
        wanted = [self.find(name) for name in names]
        if not self.updated and (None in wanted or not all(self._cached(p) for p in wanted if p)):
            self.update()
            wanted = [self.find(name) for name in names]
        packages: list[Package] = []
        for name, package in zip(names, wanted, strict=True):
            if package is None:
                raise Refused(f"Debian's suite {self.suite} has no package {name}.")
            packages.append(package)
        return [self._download(package) for package in packages]

    def fetch_with_missing(self, names: Sequence[str]) -> list[Path]:
        """Give the files of these packages and of all they need that the machine does not have."""
        need("dpkg", "to see which packages the machine has")
        if not self.has_lists():
            self.update()
        paths = self._closure(names)
        if paths is None and not self.updated:
            self.update()
            paths = self._closure(names)
        if paths is None:
            raise Refused(
                f"Debian's suite {self.suite} cannot give {', '.join(names)} to this machine; "
                "install it with apt, then start again."
            )
        return paths

    def _closure(self, names: Sequence[str]) -> list[Path] | None:
        try:
            shown = self._tool(
                "apt-get",
                "install",
                "--print-uris",
                "-qq",
                "--no-install-recommends",
                *names,
                fails="",
            )
        except Refused:
            return None
        files = re.findall(r"^'[^']+' (\S+)_(\S+)_\w+\.deb ", shown, re.MULTILINE)
        packages = [self.find(name, urllib.parse.unquote(version)) for name, version in files]
        if None in packages:
            return None
        try:
            return [self._download(package) for package in packages if package]
        except Refused:
            if self.updated:
                raise
            return None

    def _path(self, package: Package) -> Path:
        return self.debs / package.filename

    def _cached(self, package: Package) -> bool:
        path = self._path(package)
        return path.exists() and _sha256(path) == package.sha256

    def _download(self, package: Package) -> Path:
        path = self._path(package)
        if self._cached(package):
            return path
        path.unlink(missing_ok=True)
        self.note(f"      downloading {package.filename}")
        folder = make(self.base / "download")
        for old in folder.glob("*.deb"):
            old.unlink()
        self._tool(
            "apt-get",
            "download",
            "-qq",
            f"{package.name}={package.version}",
            cwd=folder,
            fails=f"The package {package.name} cannot be downloaded from Debian's mirror.",
        )
        files = list(folder.glob("*.deb"))
        if len(files) != 1 or _sha256(files[0]) != package.sha256:
            raise Refused(
                f"The download of {package.name} is not the file Debian's index describes."
            )
        files[0].replace(path)
        return path


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
            found |= {name: apt for name in missing if apt.find(name)}
        except Refused as refusal:
            reasons.append(str(refusal))
    missing = [name for name in names if name not in found]
    if missing:
        raise Refused(
            f"Debian's suites {OWN}, {TESTING} and {UNSTABLE} do not give {', '.join(missing)}. "
            + " ".join(reasons or ["Name an Odoo 19 of yours by ODOO_HOME."])
        )
    return [found[name].fetch([name])[0] for name in names]


def unpack(debs: Sequence[Path], root: Path) -> None:
    """Unpack packages into a folder, as dpkg would into `/`, without their scripts."""
    make(root)
    for deb in debs:
        run(["dpkg-deb", "-x", deb, root], fails=f"The package {deb.name} cannot be unpacked:")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

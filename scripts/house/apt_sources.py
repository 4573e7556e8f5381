"""The machine's own apt sources, read for the mirror's address and the key that signs it."""

import dataclasses
import re
import shlex
from pathlib import Path

from .errors import Refused
from .shell import need, run

DEBIAN_KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
)


@dataclasses.dataclass(frozen=True)
class Stanza:
    """One source of packages: where, which suites and components, signed by which key."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str | None

    def text(self) -> str:
        """Write it as apt reads it. `Trusted` is never carried over: signatures are checked."""
        lines = [
            "Types: deb",
            f"URIs: {self.uri}",
            f"Suites: {' '.join(self.suites)}",
            f"Components: {' '.join(self.components)}",
            "Targets: Packages",
        ]
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        return "\n".join(lines) + "\n"


def codename() -> str:
    """Give the release the machine runs, such as `bookworm`."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        text = ""
    found = re.search(r'^VERSION_CODENAME="?([\w-]+)', text, re.MULTILINE)
    return found.group(1) if found else "unstable"


def machine_stanzas() -> list[Stanza]:
    """Read every enabled binary source of the machine, in both of apt's formats."""
    need("apt-get", "to download Odoo 19 from Debian; or name an Odoo 19 of yours by ODOO_HOME")
    shown = run(
        [
            "apt-config",
            "shell",
            "LIST",
            "Dir::Etc::sourcelist/f",
            "PARTS",
            "Dir::Etc::sourceparts/d",
        ],
        fails="The machine's apt settings cannot be read:",
    )
    places = dict(word.split("=", 1) for word in shlex.split(shown))
    parts = Path(places.get("PARTS", "/etc/apt/sources.list.d"))
    files = [Path(places.get("LIST", "/etc/apt/sources.list"))]
    if parts.is_dir():
        files += sorted(parts.iterdir())
    stanzas: list[Stanza] = []
    for file in files:
        if not file.is_file():
            continue
        if file.suffix == ".list":
            stanzas += _one_line(file.read_text(errors="replace"))
        elif file.suffix == ".sources":
            stanzas += _deb822(file.read_text(errors="replace"))
    return stanzas


def own(stanzas: list[Stanza], release: str) -> list[Stanza]:
    """Keep the sources of the distribution itself: their suites are named after its release."""
    names = {release, "stable", "oldstable", "testing", "unstable", "sid"}
    kept = []
    for stanza in stanzas:
        suites = tuple(s for s in stanza.suites if s in names or s.startswith(f"{release}-"))
        if suites and "main" in stanza.components:
            kept.append(dataclasses.replace(stanza, suites=suites, components=("main",)))
    if not kept:
        raise Refused(
            f"The machine's apt sources name no mirror of {release} main; add one to "
            "/etc/apt/sources.list, or name an Odoo 19 of yours by ODOO_HOME."
        )
    return kept


def elsewhere(own_stanzas: list[Stanza], suite: str) -> Stanza:
    """Point the machine's mirror at another suite of the same archive."""
    plain = [s for s in own_stanzas if any("-" not in name for name in s.suites)]
    mirror = (plain or own_stanzas)[0]
    signed_by = mirror.signed_by or next((k for k in DEBIAN_KEYRINGS if Path(k).exists()), None)
    return dataclasses.replace(mirror, suites=(suite,), signed_by=signed_by)


def _one_line(text: str) -> list[Stanza]:
    stanzas = []
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line)
        if not found:
            continue
        options, uri, suite, components = found.groups()
        signed = re.search(r"signed-by=(\S+)", options or "")
        signed_by = signed.group(1).replace(",", " ") if signed else None
        stanzas.append(Stanza(uri, (suite,), tuple(components.split()), signed_by))
    return stanzas


def _deb822(text: str) -> list[Stanza]:
    stanzas = []
    for block in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = None
        for line in block.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t" and name:
                fields[name] += "\n" + line
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        enabled = fields.get("enabled", "yes").lower() not in ("no", "false", "0")
        if not enabled or "deb" not in fields.get("types", "").split():
            continue
        stanzas += [
            Stanza(
                uri,
                tuple(fields.get("suites", "").split()),
                tuple(fields.get("components", "").split()),
                fields.get("signed-by"),
            )
            for uri in fields.get("uris", "").split()
        ]
    return stanzas

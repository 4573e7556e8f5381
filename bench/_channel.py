"""How a bench's meters speak: the listener's settings, keys by the real command, the simulator."""

import subprocess
from pathlib import Path

from house import paths
from house.errors import Refused
from house.stack import Stack

PASSPHRASE = "a bench's own passphrase"
# All meters of a bench call from one address, as behind a carrier's gateway.
GATEWAY = {
    "ACREL_LINK_SHARED": "127.0.0.0/8",
    "ACREL_LINK_LIMITS_SHARED": "20000,20000",
    "ACREL_LINK_MAX_UNREGISTERED": "20000",
}


class Way:
    """The channel of one bench: what the link and the meters are told."""

    def __init__(self, stack: Stack, channel: str):
        self.channel = channel
        self._stack = stack
        self._folder = paths.make(paths.LOCAL / "bench" / stack.database)
        self._root, self._package, self._passphrase = (
            self._folder / name for name in ("root.key", "package.json", "passphrase")
        )

    def issue(self) -> None:
        """Make the root, the keys of all links, and the package that the meters are handed."""
        if self.channel == "plain":
            return
        for file in self._folder.iterdir():
            file.unlink()
        self._passphrase.write_text(PASSPHRASE + "\n")
        self._keys("make-root", "--out", self._root)
        handed = ("--out", self._package, "--passphrase-file", self._passphrase)
        self._keys("issue", "--all", *handed)

    def _keys(self, *words: str | Path) -> None:
        odoo = self._stack.odoo
        done = subprocess.run(
            odoo.line("meter_keys", *words),
            env={**self._stack.env(), "ACREL_LINK_ROOT_KEY_FILE": str(self._root)},
            cwd=odoo.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Refused(f"meter_keys {words[0]} failed: {done.stderr.strip()[-300:]}")

    @property
    def link(self) -> dict[str, str]:
        """The environment of the link process."""
        if self.channel == "plain":
            return GATEWAY
        return {
            **GATEWAY,
            "ACREL_LINK_LISTEN": "",
            "ACREL_LINK_LISTEN_SEALED": self._stack.link_address,
            "ACREL_LINK_ROOT_KEY_FILE": str(self._root),
        }

    @property
    def meters(self) -> list[str]:
        """The options of the simulator."""
        words = [f"--connect={self._stack.link_address}", f"--channel={self.channel}"]
        if self.channel == "sealed":
            words += [
                f"--package={self._package}",
                f"--passphrase-file={self._passphrase}",
                "--suites=01",
            ]
        return words

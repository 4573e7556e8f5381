"""A bench beside the bed: root key files, the command line, jobs as Odoo puts them."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import psycopg

from acrel_link.keys import root
from acrel_link.keys.jobs import carry_out
from acrel_link.keys.options import main
from acrel_link.keys.package import Payload, Recipient, open_with_private_key
from acrel_link.keys.requests import ask

from .bed import Bed

PASSPHRASE = "correct horse battery staple"


class KeyBench:
    def __init__(self, bed: Bed, folder: Path):
        self.bed, self.folder = bed, folder
        self.root_file = folder / "root.key"
        self.root_id = root.make(self.root_file).id
        self.passphrase_file = folder / "passphrase"
        self.passphrase_file.write_text(PASSPHRASE + "\n")
        self._files = 0

    def file(self) -> Path:
        """Return the path of a file that does not exist yet."""
        self._files += 1
        return self.folder / f"out-{self._files}"

    # === The command line === #

    def run(self, *words, roots: Path | str | None = None) -> tuple[int, str, str]:
        """Run the command; return exit code and what it said on both channels."""
        said, refused = io.StringIO(), io.StringIO()
        environment = {
            "ACREL_LINK_DSN": self.bed.dsn,
            "ACREL_LINK_ROOT_KEY_FILE": str(self.root_file if roots is None else roots),
        }
        with redirect_stdout(said), redirect_stderr(refused):
            code = main([str(word) for word in words], environment)
        return code, said.getvalue(), refused.getvalue()

    def do(self, *words, roots: Path | None = None) -> str:
        """Run the command, which must succeed."""
        code, said, refused = self.run(*words, roots=roots)
        assert code == 0, refused
        return said

    def refused(self, *words, roots: Path | str | None = None) -> str:
        """Run the command, which must refuse with one sentence and code 2."""
        code, said, refused = self.run(*words, roots=roots)
        assert (code, said) == (2, ""), said
        assert refused.count("\n") == 1, refused
        return refused

    def installer(self) -> tuple[bytes, str]:
        """Make an installer's key pair; return the private key and the public one as text."""
        path = self.file()
        public = self.do("recipient", "--out", path).split()[0]
        return bytes.fromhex(path.read_text()), public

    def issue(self, *serials: str, words=()) -> Payload:
        """Issue keys to an installer and open the package."""
        private, public = self.installer()
        path = self.file()
        named = [word for serial in serials for word in ("--serial", serial)]
        self.do("issue", *named, "--recipient", public, "--out", path, *words)
        return open_with_private_key(path.read_bytes(), private)

    # === Jobs, in Odoo's place === #

    def ask(self, kind: str, *links: int, recipient: Recipient | None = None, **parameters) -> int:
        statement, arguments = ask(
            kind, "a test", links, recipient=recipient, parameters=parameters
        )
        return self.bed.admin.execute(statement, arguments).fetchone()[0]

    def carry_out(self, job_id: int | None = None, roots: root.RootKeys | None = None):
        """Carry out a job as a link process does."""
        with psycopg.connect(self.bed.dsn, autocommit=True) as connection:
            loaded = root.load(str(self.root_file)) if roots is None else roots
            return carry_out(connection, loaded, job_id=job_id)

    def job(self, job_id: int) -> dict:
        return self.bed.row("acrel_key_job", "id", job_id)

    def keys(self, link: int) -> list[tuple]:
        """Return version and state of a link's keys."""
        return self.bed.all(
            "SELECT version, state FROM acrel_link_key WHERE link_id = %s ORDER BY id", link
        )

    def logged(self) -> list[str]:
        return [row[0] for row in self.bed.all("SELECT action FROM acrel_key_log ORDER BY id")]

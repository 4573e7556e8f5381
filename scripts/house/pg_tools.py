"""PostgreSQL's client programs, run on the server in use."""

import contextlib
import dataclasses
import os
import subprocess
from collections.abc import Callable, Iterator

from . import paths, pg_programs, server, settings
from .cluster import Cluster
from .errors import Refused
from .pg_programs import Programs
from .server import Server


@dataclasses.dataclass(frozen=True)
class Tools:
    """A server, and the programs that go with it."""

    server: Server
    programs: Programs

    def run(self, program: str, *words: str | os.PathLike, fails: str) -> None:
        """Run a client program to its end; its last line says why it failed."""
        done = subprocess.run(
            [str(self.programs.bin / program), *map(str, words)],
            env={**self.programs.env(), **self.server.env()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["it said nothing"]
            raise Refused(f"{fails}: {said[-1]}")


@contextlib.contextmanager
def in_use(note: Callable[[str], None]) -> Iterator[Tools]:
    """Give the server of `scripts/run`; a private one is started when nobody has started it."""
    named = settings.named_server(os.environ)
    if named:
        yield Tools(server.of_named(named), pg_programs.find_or_install(paths.LOCAL, note))
        return
    cluster = Cluster("run", note)
    with contextlib.nullcontext() if cluster.answers() else cluster.running():
        yield Tools(server.of_cluster(cluster), cluster.programs)

"""Where tests and benches play: a cluster of their own, template databases, processes on clones.

    with Stage.open() as stage:
        with stage.stack("e2e_driver") as stack:      # a clone of the demonstration's database
            stack.start_odoo()
            stack.start_link()
            stack.start_simulator(...)

A stage opened inside another (a test run by `scripts/test`) uses the outer one's cluster, or, where
tests run in several processes, a copy of it with everything of its own.
The run database and its cluster are never touched.
"""

import contextlib
import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from . import database, paths
from .cluster import Cluster
from .odoo_command import OdooCommand
from .odoo_home import OdooHome, find_or_install
from .server import of_cluster
from .stack import Stack

NAME = "test"
TEST_ADDONS = paths.ROOT / "tests" / "addons"
BASE, DEMO = "tpl_base", "tpl_demo"
OUTER = "ACREL_STAGE"

# What pages show in a browser; those of Odoo's own tests of its scripts cost as much again.
BUILD_BUNDLES = """
qweb = env["ir.qweb"]
for kind, names in zip(("js", "css"), qweb._get_bundles_to_pregenarate()):
    for name in sorted(name for name in names if "test" not in name):
        getattr(qweb._get_asset_bundle(name, js=kind == "js", css=kind == "css"), kind)()
env.cr.commit()
"""


class Stage:
    """A running test cluster with its templates."""

    def __init__(self, home: OdooHome, cluster: Cluster, note: Callable[[str], None]):
        self.cluster = cluster
        self.server = of_cluster(cluster)
        self.odoo = OdooCommand(home, self.server, paths.LOCAL / cluster.name, TEST_ADDONS)
        self.databases = database.Databases(self.odoo, note)
        self.logs = paths.LOGS

    @classmethod
    @contextlib.contextmanager
    def open(cls, note: Callable[[str], None] = print) -> Iterator["Stage"]:
        """Start the test cluster, or join the one that runs already for an outer command."""
        home = find_or_install(note)
        cluster = Cluster(NAME, note, durable=False)
        if os.environ.get(OUTER) == str(paths.LOCAL):
            try:
                if not cluster.answers():
                    cluster.start()  # a test before this one left it dead
                yield cls(home, cluster, note)
            finally:
                # Who restarted the outer command's cluster has its process as a child: end it here.
                if cluster.child:
                    cluster.stop()
            return
        with paths.only_one("stage"), cluster.running():
            yield cls(home, cluster, note)

    @classmethod
    @contextlib.contextmanager
    def copied(cls, name: str, note: Callable[[str], None] = print) -> Iterator["Stage"]:
        """Open a stage beside others of the same outer command, with copies of its templates."""
        home = find_or_install(note)
        cluster = Cluster(f"{NAME}-{name}", note, durable=False)
        outer = cls(home, Cluster(NAME, note, durable=False), note)
        try:
            cluster.copy(outer.cluster)
            with cluster.running():
                stage = cls(home, cluster, note)
                for template in (BASE, DEMO):
                    shutil.copytree(
                        outer.odoo.filestore(template),
                        stage.odoo.filestore(template),
                        dirs_exist_ok=True,  # of one that was killed
                    )
                yield stage
        finally:
            cluster.remove()
            shutil.rmtree(paths.LOCAL / cluster.name, ignore_errors=True)

    def base(self) -> str:
        """Give the template without our add-ons, made again when its inputs changed."""
        return self.template(BASE, database.base_digest(), self.databases.make_base)

    def demo(self) -> str:
        """Give the template with our add-ons and their demo data, as `scripts/run` makes it."""
        base = self.base()
        make = partial(self._make_demo, base=base)
        return self.template(DEMO, database.addons_digest(), make)

    def _make_demo(self, name: str, base: str) -> None:
        self.databases.make_demo(name, base)
        # Build the pages' bundles once, here, instead of in every clone.
        with Stack(self.odoo, name, logs=self.logs) as stack:
            stack.start_odoo("--max-cron-threads=0")
            self.odoo.script(
                name,
                BUILD_BUNDLES,
                fails="The pages' bundles cannot be built",
                log=self.logs / "setup-assets.log",
            )

    def template(self, name: str, digest: str, make: Callable[[str], None]) -> str:
        """Give a template database, made again when the digest of its inputs changed."""
        with self._only_one(name):
            if self.server.exists(name):
                if self.databases.stamp(name) == digest:
                    return name
                self.databases.drop(name)
            make(name)
        return name

    def clone(self, name: str, template: str | None = None) -> str:
        """Make a fresh database from a template, the demonstration's unless named."""
        source = template or self.demo()
        with self._only_one(source):
            self.databases.drop(name)
            self.databases.clone(source, name)
        return name

    def _only_one(self, template: str) -> contextlib.AbstractContextManager[None]:
        """Let one process at a time work with a template of this cluster."""
        return paths.only_one(f"{self.cluster.name}/{template}")

    def stack(self, name: str, template: str | None = None) -> Stack:
        """Make a fresh database and give the processes that can be started on it."""
        return Stack(self.odoo, self.clone(name, template), logs=self.logs)

    def env(
        self, chromium: Path | None = None, chromium_env: dict[str, str] | None = None
    ) -> dict[str, str]:
        """Give what tests in another process need of this stage."""
        pg_ctl = [
            "pg_ctl",
            "-D",
            self.cluster.place.data,
            "-w",
            "-l",
            self.cluster.place.base / "restart.log",
        ]
        options = " ".join(shlex.quote(word) for word in self.cluster.options())
        start = self.cluster.command(*pg_ctl, "-o", options, "start")
        stop = self.cluster.command(*pg_ctl, "-m", "fast", "stop")
        values = {
            **self.odoo.env(),
            OUTER: str(paths.LOCAL),
            "ACREL_PYTHON": str(paths.PYTHON),
            "ACREL_ODOO": str(self.odoo.home.script),
            "ACREL_DATA_DIR": str(self.odoo.data_dir),
            "ACREL_TEMPLATE_DB": DEMO,
            "ACREL_PG_BIN": str(self.cluster.programs.bin),
            "ACREL_PG_DATA": str(self.cluster.place.data),
            "ACREL_PG_START": shlex.join(start),
            "ACREL_PG_STOP": shlex.join(stop),
        }
        if chromium:
            values["ACREL_CHROMIUM"] = str(chromium)
            values["ACREL_CHROMIUM_ENV"] = json.dumps(chromium_env or {})
        return values

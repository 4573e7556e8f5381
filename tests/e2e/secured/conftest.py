"""All processes on the secured channel: keys, and a site behind the meter agent."""

import subprocess

import pytest

from courtyard import Courtyard
from relay import relay


@pytest.fixture(scope="package")
def network(stage, tmp_path_factory):
    """The courtyard, for all modules of this folder."""
    root_key = tmp_path_factory.mktemp("keys") / "root.key"
    subprocess.run(
        stage.odoo.line("meter_keys", "make-root", "--out", str(root_key)),
        env=stage.odoo.env(),
        cwd=stage.odoo.folder,
        check=True,
        capture_output=True,
    )
    with relay() as line, Courtyard(stage, "e2e_secured", root_key, line) as network:
        yield network


@pytest.fixture(scope="module")
def officer(network):
    """The administrator, whom the demonstration makes a key officer."""
    return network.client("admin")

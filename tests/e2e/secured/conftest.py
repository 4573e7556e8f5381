"""All processes on the secured channel: keys, and a site behind the meter agent."""

import pytest

from courtyard import Courtyard
from relay import relay


@pytest.fixture(scope="package")
def network(stage, root_key):
    """The courtyard, for all modules of this folder."""
    with relay() as line, Courtyard(stage, "e2e_secured", root_key, line) as network:
        yield network


@pytest.fixture(scope="module")
def officer(network):
    """The administrator, whom the demonstration makes a key officer."""
    return network.client("admin")

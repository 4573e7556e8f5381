"""Stage, processes and people for the tests end to end."""

import pytest

from browser import chromium_browser
from house.stage import Stage
from network import Network
from people import driver_with

TEST_SECONDS = 240


def pytest_collection_modifyitems(items):
    """Bound the tests, but not the making of the template that the first may wait for."""
    for item in items:
        item.add_marker(pytest.mark.timeout(TEST_SECONDS, func_only=True))


@pytest.fixture(scope="session")
def stage():
    """The test cluster with the template of the demonstration."""
    with Stage.open() as stage:
        stage.demo()
        yield stage


@pytest.fixture(scope="module")
def network(stage, request):
    """All processes on a database of the module's own."""
    with Network(stage, f"e2e_{request.path.stem.removeprefix('test_')}") as network:
        yield network


@pytest.fixture(scope="module")
def staff(network):
    """The administrator, who may set up anything."""
    return network.client("admin")


@pytest.fixture(scope="module")
def driver(network):
    """A driver with enough money in the wallet."""
    return driver_with(network, "rich", 100_000)


@pytest.fixture(scope="module")
def chromium():
    """One browser for all people of a module."""
    with chromium_browser() as browser:
        yield browser


@pytest.fixture(autouse=True)
def healthy_meters(request):
    """Give every test meters without the faults of the one before."""
    yield
    if "network" in request.fixturenames:
        network = request.getfixturevalue("network")
        if network.simulator.running():
            network.meter(do="clear", serial="*")

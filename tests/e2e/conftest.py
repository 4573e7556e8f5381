"""Stage, processes and people for the tests end to end."""

import pytest

import sharing
from browser import chromium_browser
from house import provisioning
from house.stage import Stage
from network import Network
from people import driver_with

TEST_SECONDS = 240


def pytest_collection_modifyitems(items):
    """Bound the tests, but not the making of the template that the first may wait for."""
    items.sort(key=lambda item: sharing.rank(item.nodeid))
    for item in items:
        item.add_marker(pytest.mark.timeout(TEST_SECONDS, func_only=True))


def pytest_xdist_make_scheduler(config, log):
    """Share the tests among several processes."""
    return sharing.Together(config, log)


@pytest.fixture(scope="session")
def stage(worker_id):
    """The test cluster with the template of the demonstration; several processes get copies."""
    alone = worker_id == "master"
    with Stage.open() if alone else Stage.copied(worker_id) as stage:
        stage.demo()
        yield stage


@pytest.fixture(scope="session")
def root_key(tmp_path_factory):
    """A root key for links on the channel sealed."""
    file = tmp_path_factory.mktemp("keys") / "root.key"
    provisioning.make_root_key(file)
    return file


@pytest.fixture(scope="module")
def network(stage, request):
    """All processes on a database of the module's own; `SEALED` of a module chooses its channel."""
    name = f"e2e_{request.path.stem.removeprefix('test_')}"
    sealed = getattr(request.module, "SEALED", False)
    root_key = request.getfixturevalue("root_key") if sealed else None
    with Network(stage, name, root_key) as network:
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

"""Metrics and health over HTTP, while the link serves, hangs, and lost its database."""

import asyncio
import json
import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from acrel_link.service import ServiceManager
from acrel_link.watched import watched

from .bed import until

SERIAL = "99000000000001"


def get(monitor, path: str) -> tuple[int, str]:
    host, port = monitor.address
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def fetch(monitor, path: str) -> tuple[int, str]:
    return await asyncio.to_thread(get, monitor, path)


async def samples(monitor) -> dict[tuple, float]:
    status, text = await fetch(monitor, "/metrics")
    assert status == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def health(monitor) -> tuple[int, dict]:
    status, text = await fetch(monitor, "/healthz")
    return status, json.loads(text)


@pytest.fixture
async def running(bed):
    """A link that knows one meter, with its monitor on a free port."""
    bed.add_link(SERIAL)
    async with (
        bed.link(metrics="127.0.0.1:0") as link,
        watched(link.context, link.server, ServiceManager({})) as monitor,
    ):
        yield link, monitor


async def test_numbers_are_those_of_the_database(bed, running):
    link, monitor = running
    async with bed.fleet(link, interval=0.05):
        await until(lambda: bed.readings() >= 5, "readings are stored")
        told = await samples(monitor)
        assert told["acrel_link_connections",] == 1
        assert told["acrel_link_links_online",] == 1
        assert told["acrel_link_database_up",] == 1
        assert told["acrel_link_spool_records",] == 0
        before = told["acrel_link_readings_stored_total",]
        assert 0 < before <= bed.readings()
        await until(lambda: bed.readings() > before, "more of them")
        assert (await samples(monitor))["acrel_link_readings_stored_total",] > before
    assert told["process_open_fds",] > 0


async def test_a_refused_peer_and_its_event_are_counted(bed, running):
    link, monitor = running
    peer = await link.peer()
    peer.register(SERIAL)
    await peer.frame()
    peer.send(b"no frame at all " * 1000)
    await peer.closed()
    await until(lambda: bed.events("link_abuse"), "the event")
    assert (await samples(monitor))["acrel_link_events_total", "link_abuse"] == 1


async def test_health_is_good_while_it_serves(running):
    _, monitor = running
    status, told = await health(monitor)
    assert status == 200
    assert told["healthy"] and told["loop"] and told["database"]


async def test_health_tells_a_hanging_loop(running):
    link, monitor = running
    link.context.vitals.ticked -= 3600
    # one thread answers while the loop stands still
    status, text = get(monitor, "/healthz")
    assert status == 503
    assert json.loads(text)["loop"] is False


async def test_health_without_a_database_is_good_while_there_is_room(running):
    link, monitor = running
    link.context.vitals.swept -= 3600
    status, told = await health(monitor)
    assert (status, told["database"], told["healthy"]) == (200, False, True)


async def test_another_path_is_not_found_and_silence_costs_nobody(running):
    _, monitor = running
    with socket.create_connection(monitor.address):
        status, text = await fetch(monitor, "/etc/passwd")
    assert status == 404
    assert "/metrics" in text


async def test_no_address_means_no_monitor(bed):
    async with (
        bed.link() as link,
        watched(link.context, link.server, ServiceManager({})) as monitor,
    ):
        monitor.stop()
        assert link.context.settings.metrics is None


async def test_the_service_manager_hears_of_start_and_stop(bed, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(5)
        service = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        async with bed.link() as link, watched(link.context, link.server, service):
            told = receiver.recv(4096).decode().split("\n")
            assert told[0] == "READY=1"
            assert "0 links online" in told[1]
        assert receiver.recv(4096) == b"STOPPING=1"

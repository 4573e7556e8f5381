"""What a service manager is told, over a real datagram socket."""

import logging
import socket

import pytest

from acrel_link.service import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A socket of a service manager, and the environment it gives."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        if request.param == "path":
            address = str(tmp_path / "notify")
            receiver.bind(address)
        else:
            address = f"@acrel-{tmp_path.name}-{id(receiver)}"
            receiver.bind("\0" + address[1:])
        receiver.settimeout(5)
        yield receiver, {"NOTIFY_SOCKET": address}


def heard(receiver) -> list[str]:
    return receiver.recv(4096).decode().split("\n")


def test_it_tells_what_happens(manager):
    receiver, environment = manager
    service = ServiceManager(environment)
    service.ready("listening")
    assert heard(receiver) == ["READY=1", "STATUS=listening"]
    service.reloading()
    assert heard(receiver)[0] == "RELOADING=1"
    service.status("3 connections")
    assert heard(receiver) == ["STATUS=3 connections"]
    service.stopping()
    assert heard(receiver) == ["STOPPING=1"]


def test_signs_of_life_only_where_they_are_waited_for(manager):
    receiver, environment = manager
    ServiceManager(environment).alive()
    ServiceManager({**environment, "WATCHDOG_USEC": "30000000"}).alive()
    assert heard(receiver) == ["WATCHDOG=1"]
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(1)


def test_without_a_manager_nothing_is_sent():
    service = ServiceManager({"WATCHDOG_USEC": "1"})
    service.ready("listening")
    service.alive()
    assert not service.wants_signs_of_life


def test_a_manager_that_is_gone_is_told_of_in_the_log(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).stopping()
    assert "STOPPING=1" in caplog.text

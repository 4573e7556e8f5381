"""Where a private cluster lies: a socket's path is short, and its user can go there."""

import os
import tempfile
from pathlib import Path

import pytest

from house import pg_place

SOCKET = "/.s.PGSQL.5432"


@pytest.mark.parametrize("length", [10, 60, 80, 200, 400])
def test_a_sockets_path_has_less_than_100_bytes(length):
    place = pg_place.Place(Path("/" + "é" * (length // 2)) / "run" / "postgres", None)
    assert len(os.fsencode(f"{place.socket}{SOCKET}")) < 100


def test_two_places_never_share_a_socket():
    deep = [pg_place.Place(Path("/" + "x" * 200 + name), None) for name in "ab"]
    assert deep[0].socket != deep[1].socket


def test_the_socket_is_closed_to_others(tmp_path):
    place = pg_place.Place(tmp_path / "postgres", None)
    place.prepare()
    assert place.socket.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a stand-in")
def test_sees_which_folders_roots_stand_in_can_enter(tmp_path):
    user = pg_place.system_user()
    assert pg_place.reaches(user, Path("/usr"))
    tmp_path.chmod(0o700)
    assert not pg_place.reaches(user, tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a stand-in")
def test_the_stand_in_passes_through_what_is_made_above():
    """Also where root keeps what he makes from everybody."""
    user = pg_place.system_user()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        place = pg_place.Place(Path(folder) / "new" / "unit" / "postgres", user)
        mask = os.umask(0o077)
        try:
            place.prepare()
        finally:
            os.umask(mask)
        assert pg_place.reaches(user, place.base)

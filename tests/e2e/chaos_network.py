"""Kills processes at random instants under load, and looks whether the books still tie."""

import contextlib
import os
import random
import signal
import time
from datetime import UTC, datetime

import requests

from house.errors import Refused
from network import Network
from odoo_client import OdooError
from people import driver_with
from sessions import LIVE, Driver, check_money, look, wait_for
from waiting import eventually

LINK, ENGINE, POSTGRES = "link", "engine", "PostgreSQL"
VICTIMS = ((LINK,), (ENGINE,), (POSTGRES,), (LINK, ENGINE), (LINK, POSTGRES), (ENGINE, POSTGRES))
WORDS = {LINK: ("acrel_link",), ENGINE: ("meter_link", "engine")}
PILES = ("P001", "P002", "P003")
#: Within how long after all is back every ended session's output is open.
OPEN_SECONDS = 10
UPLOAD = 145
#: From when until when each close of a pile might be carried out; a meter's clock may lag a little.
CLAIMS = """
SELECT c.requested_at - interval '1 s', coalesce(c.expires_at, c.requested_at + interval '30 s')
       + interval '1 s'
  FROM acrel_command c JOIN acrel_installation i ON i.meter_id = c.meter_id
  JOIN acrel_pile p ON p.installation_id = i.id
 WHERE p.code = %s AND c.kind = 'close' AND c.origin = 'desired'
"""


class Chaos:
    """A network under load whose parts die; every choice comes from the seed."""

    def __init__(self, network: Network, seed: int):
        self.network = network
        self.chance = random.Random(seed)
        self.drivers = {
            pile: driver_with(network, f"chaos_{pile.lower()}", 500_000) for pile in PILES
        }
        self.kills = 0
        # Restarted here, the server is a child of this process, which can bury it when it dies:
        # a dead process that nobody has buried keeps its pid, and no other server starts.
        with network.postgres_down():
            pass
        self.recover()
        for pile in PILES:
            eventually(lambda pile=pile: self._may_start(pile), f"{pile} may be started", 60)
        network.meter(do="fault", serial="*", name="duplicate", value=1)

    # === One round === #

    def strike(self) -> tuple[str, ...]:
        """Let people and meters do something, and kill at a random instant of it."""
        victims = self.chance.choice(VICTIMS)
        for pile in self.chance.sample(PILES, 2):
            self._press(pile)
        for _ in range(self.chance.randrange(1, 6)):
            self.network.meter(do="upload", serial="*")
        # the instant is the stimulus; nothing is waited for here
        time.sleep(self.chance.uniform(0, 0.8))
        for victim in victims:
            if victim == POSTGRES:
                self._kill_postgres()
            else:
                self.network.kill(*WORDS[victim])
        self.network.meter(do="upload", serial="*")
        self.kills += 1
        self.recover()
        return victims

    def _press(self, pile: str) -> None:
        """Start or stop, whichever the pile's page offers."""
        driver, running = self.drivers[pile], self._running(pile)
        if running is None:
            page = f"/charging/p/{pile}"
            driver.client.submit(page, f"{page}/start")
        else:
            page = f"/my/charging/{running}"
            driver.client.submit(page, f"{page}/stop")

    def _may_start(self, pile: str) -> bool:
        return "/start" in self.drivers[pile].client.page(f"/charging/p/{pile}").text

    def _running(self, pile: str) -> int | None:
        return self.network.value(
            """SELECT s.id FROM acrel_session s JOIN acrel_pile p ON p.id = s.pile_id
               WHERE p.code = %s AND s.state = ANY(%s)""",
            pile,
            list(LIVE),
        )

    def _kill_postgres(self) -> None:
        """End the server as a fault of the machine would, with all its backends."""
        cluster = self.network.stage.cluster
        pid_file = cluster.place.data / "postmaster.pid"
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        eventually(lambda: not cluster.alive(), "PostgreSQL is dead")

    def recover(self) -> None:
        """Bring PostgreSQL back, and wait until all that restarts by itself is back."""
        network, cluster = self.network, self.network.stage.cluster
        if not cluster.alive():
            # backends that have not noticed yet hold the shared memory
            eventually(lambda: self._started(cluster), "PostgreSQL starts again", 60)
        eventually(network.database_answers, "PostgreSQL answers", 60)
        for words in WORDS.values():
            network.process(words)
        eventually(network.all_online, "all meters registered again", 90)
        eventually(self._odoo_answers, "Odoo has its database again", 60)

    @staticmethod
    def _started(cluster) -> bool:
        with contextlib.suppress(Refused):
            cluster.start()
        return cluster.alive()

    def _odoo_answers(self) -> bool:
        try:
            return bool(self.network.clients[-1].search("acrel.pile", [], limit=1))
        except (requests.RequestException, OdooError):
            return False

    # === What must hold in the end === #

    def settle(self) -> None:
        """Stop all sessions and let the last upload be acknowledged."""
        network = self.network
        for pile in PILES:
            if (session := self._running(pile)) is not None:
                self._stop(self.drivers[pile], session)
        network.meter(do="pause", serial="*")
        eventually(self._is_quiet, "every upload is acknowledged in the end", 90)
        network.meter(do="clear", serial="*")

    def _stop(self, driver: Driver, session: int) -> None:
        state = wait_for(
            self.network, session, "charging", "stopping", "finished", "cancelled", "faulted"
        ).state
        if state == "charging":
            page = f"/my/charging/{session}"
            driver.client.submit(page, f"{page}/stop")
        wait_for(self.network, session, "finished", "cancelled", "faulted", seconds=90)

    def _is_quiet(self) -> bool:
        totals = self.network.meter(do="totals")
        return totals["uploads_sent"] == totals["uploads_acknowledged"]

    def check_all(self) -> None:
        """Look at outputs, uploads, energy, money and sessions."""
        self.check_outputs()
        self._check_closes()
        self._check_uploads()
        self._check_energy()
        self._check_sessions()

    def check_outputs(self) -> None:
        """Every output without a running session is open, at the meter."""
        for pile in PILES:
            if self._running(pile) is None:
                eventually(
                    lambda pile=pile: not self.network.meter_state(pile)["contactor"],
                    f"{pile}'s contactor is open",
                    OPEN_SECONDS,
                )

    def _check_closes(self) -> None:
        """Each close that was claimed was obeyed once at most, and none after its time."""
        for pile in PILES:
            claims = self.network.rows(CLAIMS, pile)
            obeyed = [
                datetime.fromtimestamp(at / 1e9, UTC).replace(tzinfo=None)
                for at, closed in self.network.meter_state(pile)["relay_writes"]
                if closed
            ]
            assert len(obeyed) <= len(claims), pile
            for at in obeyed:
                assert any(since <= at <= until for since, until in claims), (pile, at, claims)

    def _check_uploads(self) -> None:
        """Every acknowledged upload of every meter is in the table, once."""
        stored = dict(
            self.network.rows(
                """SELECT m.serial, count(r.id) FROM acrel_meter m
                   LEFT JOIN acrel_reading_raw r ON r.meter_id = m.id AND r.source = %s
                   GROUP BY m.serial""",
                UPLOAD,
            )
        )
        for meter in self.network.meter(do="state", serial="*"):
            assert stored[meter["serial"]] == meter["uploads_acknowledged"], meter["serial"]

    def _check_energy(self) -> None:
        """Register difference = sessions + outside sessions, for each pile; bills tie."""
        network = self.network
        for pile in PILES:
            sessions = [
                session
                for (session,) in network.rows(
                    """SELECT s.id FROM acrel_session s JOIN acrel_pile p ON p.id = s.pile_id
                       WHERE p.code = %s AND s.start_register IS NOT NULL
                         AND s.end_register IS NOT NULL ORDER BY s.start_register""",
                    pile,
                )
            ]
            if not sessions:
                continue
            found = [look(network, session) for session in sessions]
            between = network.value(
                """SELECT COALESCE(sum(o.to_register - o.from_register), 0)
                     FROM acrel_energy_outside o JOIN acrel_pile p
                       ON p.installation_id = o.installation_id
                    WHERE p.code = %s AND o.from_register >= %s AND o.to_register <= %s""",
                pile,
                found[0].start_register,
                found[-1].end_register,
            )
            counts = sum(each.end_register - each.start_register for each in found)
            assert counts + between == found[-1].end_register - found[0].start_register, pile
            for session in sessions:
                check_money(network, session)

    def _check_sessions(self) -> None:
        """No session is left in between."""
        unsettled = self.network.value(
            "SELECT count(*) FROM acrel_session WHERE state = ANY(%s)", list(LIVE)
        )
        assert unsettled == 0

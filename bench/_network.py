"""A network of piles and meters for a bench, made through the ORM, and its sessions."""

import contextlib
from collections.abc import Iterator

from _control import until

from house.stack import Stack
from house.stage import Stage

SERIAL_START = 98_000_000_000_001

_PILES = """
from datetime import timedelta
from odoo import fields
company = env.ref("base.main_company")
env = env(context=dict(env.context, tracking_disable=True, allowed_company_ids=[company.id]))
count, first = {count}, {first}
serials = [str(first + number) for number in range(count)]
tariff = env["acrel.tariff"].search([("company_id", "=", company.id)], limit=1)
station = env["acrel.station"].create(
    {{"name": "Bench", "code": "BENCH", "company_id": company.id, "tariff_id": tariff.id}}
)
links = env["acrel.link"].create(
    [{{"name": each, "serial": each, "channel": "{channel}"}} for each in serials]
)
meters = env["acrel.meter"].create(
    [{{"name": link.serial, "link_id": link.id}} for link in links]
)
env["acrel.output"].create([{{"meter_id": meter.id, "number": 1}} for meter in meters])
installations = env["acrel.installation"].create(
    [
        {{"meter_id": meter.id, "date_from": fields.Datetime.now() - timedelta(days=1)}}
        for meter in meters
    ]
)
env["acrel.pile"].create(
    [
        {{
            "code": f"BENCH{{number:05}}",
            "name": f"Bench {{number}}",
            "station_id": station.id,
            "installation_id": installation.id,
            "rated_power_w": 22000,
        }}
        for number, installation in enumerate(installations)
    ]
)
env.cr.commit()
"""

_LINKS = """
env = env(context=dict(env.context, tracking_disable=True))
for first in range({first}, {first} + {count}, 1000):
    serials = [str(first + number) for number in range(min(1000, {first} + {count} - first))]
    links = env["acrel.link"].create(
        [{{"name": each, "serial": each, "channel": "{channel}"}} for each in serials]
    )
    meters = env["acrel.meter"].create(
        [{{"name": link.serial, "link_id": link.id}} for link in links]
    )
    env["acrel.output"].create([{{"meter_id": meter.id, "number": 1}} for meter in meters])
    env.cr.commit()
    env.invalidate_all()
"""

_SESSIONS = """
company = env.ref("base.main_company")
env = env(context=dict(env.context, tracking_disable=True, allowed_company_ids=[company.id]))
journal = env["account.journal"].search(
    [("type", "=", "bank"), ("company_id", "=", company.id)], limit=1
)
piles = env["acrel.pile"].search([("code", "like", "BENCH%")], order="code", limit={count})
for number, pile in enumerate(piles):
    driver = env["res.partner"].create({{"name": f"Driver {{number}}"}})
    wallet = env["acrel.wallet"]._ensure(driver, company)
    wallet._top_up_by_staff(50_000, journal)
    pile._start(driver)
    env.cr.commit()
"""


@contextlib.contextmanager
def durable(stage: Stage) -> Iterator[None]:
    """Let the cluster write to disk at each commit, which tests do without."""
    before, stage.cluster.durable = stage.cluster.durable, True
    stage.cluster.stop()
    stage.cluster.start()
    try:
        yield
    finally:
        stage.cluster.stop()
        stage.cluster.durable = before
        stage.cluster.start()


def make_piles(stage: Stage, stack: Stack, count: int, channel: str = "plain") -> None:
    """Make piles with a meter, a link and an output each, of consecutive serial numbers."""
    stage.odoo.script(
        stack.database,
        _PILES.format(count=count, first=SERIAL_START, channel=channel),
        fails="The bench's meters cannot be made",
        log=stage.logs / "bench-setup.log",
    )


def make_links(stage: Stage, stack: Stack, count: int, channel: str) -> None:
    """Make links with a meter and an output each, of consecutive serial numbers."""
    stage.odoo.script(
        stack.database,
        _LINKS.format(count=count, first=SERIAL_START, channel=channel),
        fails="The bench's links cannot be made",
        log=stage.logs / "bench-setup.log",
    )


def _heard(database, serials: list[str]) -> int:
    """Return of how many of these meters something is known, so that a session may start."""
    (count,) = database.execute(
        "SELECT count(*) FROM acrel_meter_live r JOIN acrel_meter m ON m.id = r.meter_id"
        " JOIN acrel_link l ON l.id = m.link_id JOIN acrel_link_live o ON o.link_id = l.id"
        " WHERE o.online AND l.serial = ANY(%s)",
        (serials,),
    ).fetchone()
    return count


def start_sessions(stage: Stage, stack: Stack, count: int) -> None:
    """Start paid sessions on the first piles, each of a driver of its own."""
    with stage.server.connect(stack.database) as database:
        serials = [str(SERIAL_START + number) for number in range(count)]
        until(lambda: _heard(database, serials) == count, 120, "A reading of each meter")
    stage.odoo.script(
        stack.database,
        _SESSIONS.format(count=count),
        fails="The bench's sessions cannot be started",
        log=stage.logs / "bench-sessions.log",
    )

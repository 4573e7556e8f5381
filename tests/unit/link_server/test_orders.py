"""Orders of a person: written from the allow-list, read back, or refused with a sentence."""

import json

import pytest

from acrel_link import commands, rtu
from acrel_link.crc import seal
from acrel_link.registers import BY_NAME

from .bed import until

SERIAL = "99000000000001"


def order(bed, meter: int, kind: str, payload: dict | None, expires: str = "1 min") -> int:
    """Queue an order as Odoo does."""
    made = bed.one(
        "INSERT INTO acrel_command (meter_id, kind, origin, state, payload, requested_at,"
        " expires_at) VALUES (%s, %s, 'user', 'queued', %s, now() AT TIME ZONE 'UTC',"
        " now() AT TIME ZONE 'UTC' + %s::interval) RETURNING id",
        meter,
        kind,
        json.dumps(payload),
        expires,
    )
    bed.notify()
    return made


async def ended(bed, made: int) -> tuple[str, str]:
    def state():
        row = bed.row("acrel_command", "id", made)
        return (row["state"], row["message"]) if row["done_at"] else None

    return await until(state, f"the end of order {made}")


@pytest.fixture
def meter(bed) -> int:
    return bed.add_link(SERIAL)[1]


def held(fleet, name: str) -> int:
    return fleet.clients[SERIAL].device.register_of(name)


async def test_thresholds_are_written_and_read_back(bed, meter):
    async with bed.link() as link, bed.fleet(link) as fleet:
        values = {"alarm_over_u": 2420, "alarm_over_u_delay": 300, "alarm_pf": -800}
        made = order(bed, meter, "write", {"registers": values})
        assert await ended(bed, made) == ("done", "Written, and read back as written.")
        assert {name: held(fleet, name) for name in values} == values
        stored = await until(
            lambda: bed.one("SELECT data FROM acrel_meter_snapshot WHERE kind = 'settings'"),
            "the settings as they are now",
        )
        assert {name: stored[name] for name in values} == values


@pytest.mark.parametrize(
    ("kind", "payload", "message"),
    [
        ("write", {"registers": {"do1_driver": 0}}, "01E6H (do1_driver) is refused, that needs a"),
        ("write", {"registers": {"alarm_over_u": 2420, "ct": 5}}, "needs a maintenance order"),
        ("write", {"registers": {"alarm_over_u": 99999}}, "takes 0 to 9999"),
        ("write", {"frame": 0x87}, "no register is named"),
        ("configure", {"registers": {"do1": 1}}, "switched by its wanted state alone"),
        ("configure", {"registers": {"e_forward": 0}}, "no list of registers"),
        ("configure", {"frame": 0x84, "body": ""}, "84 is not on the list"),
        ("configure", {"frame": 0x88, "body": "00"}, "4 bytes of IP address"),
        ("write", None, "no register is named"),
    ],
)
async def test_what_is_not_on_the_list_is_refused_and_nothing_is_sent(
    bed, meter, kind, payload, message
):
    async with bed.link() as link, bed.fleet(link) as fleet:
        state, said = await ended(bed, order(bed, meter, kind, payload))
        assert state == "failed" and message in said, said
        state = fleet.state(SERIAL)
        assert state["writes"] == [] and state["relay_writes"] == []
        assert state["configured"] == []


async def test_configuration_needs_a_maintenance_order(bed, meter):
    async with bed.link() as link, bed.fleet(link) as fleet:
        values = {"do1_driver": 3, "demand_period": 2, "day_table_2": "030000" + "00" * 39}
        made = order(bed, meter, "configure", {"registers": values})
        assert await ended(bed, made) == ("done", "Written, and read back as written.")
        assert (held(fleet, "do1_driver"), held(fleet, "demand_period")) == (3, 2)


@pytest.mark.parametrize(("frame", "body"), [(0x88, "0a0000011f90"), (0x87, ""), (0x82, "02ff")])
async def test_commands_that_configure_are_acknowledged(bed, meter, frame, body):
    async with bed.link() as link, bed.fleet(link) as fleet:
        state, said = await ended(
            bed, order(bed, meter, "configure", {"frame": frame, "body": body})
        )
        assert (state, said.startswith("The meter acknowledged")) == ("done", True)
        assert fleet.state(SERIAL)["configured"] == [[frame, body]]


async def test_an_order_expires_while_its_meter_is_away(bed, meter):
    async with bed.link():
        made = order(bed, meter, "write", {"registers": {"alarm_over_u": 2420}}, "0.5 s")
        state, said = await ended(bed, made)
        assert (state, said) == ("expired", "The meter was not online in time; nothing was sent.")


async def test_an_order_whose_process_died_in_its_middle_is_not_repeated(bed, meter):
    made = order(bed, meter, "write", {"registers": {"alarm_over_u": 2420}})
    bed.admin.execute(
        "UPDATE acrel_command SET state = 'sent', sent_at = now() AT TIME ZONE 'UTC'"
        " - interval '3 min'"
    )
    async with bed.link() as link, bed.fleet(link) as fleet:
        state, said = await ended(bed, made)
        assert state == "failed" and "read the meter" in said
        assert fleet.state(SERIAL)["writes"] == []


async def test_a_write_that_the_meter_did_not_take_is_said_to_have_failed(bed, meter):
    """A meter that acknowledges every write and changes nothing."""
    async with bed.link() as link:
        peer = await link.peer()
        peer.register(SERIAL)
        assert await peer.frame(commands.REGISTER)
        made = order(bed, meter, "write", {"registers": {"alarm_over_u": 2420}})

        def answer(request) -> bytes:
            if isinstance(request, rtu.WriteRequest):
                head = request.start.to_bytes(2, "big") + len(request.values).to_bytes(2, "big")
                return bytes((1, rtu.WRITE)) + head
            return bytes((1, rtu.READ, 2 * request.count)) + bytes(2 * request.count)

        wrote = False
        while not (wrote and bed.row("acrel_command", "id", made)["done_at"]):
            frame = await peer.frame(commands.TRANSPARENT)
            request = rtu.parse_request(frame.body)
            wrote |= isinstance(request, rtu.WriteRequest)
            peer.send(commands.build_transparent(seal(answer(request)), SERIAL))
        state, said = await ended(bed, made)
        assert state == "failed"
        assert "01D1H on read 0000 after 0974 was written: the meter did not take it" in said


async def test_everything_slow_is_read_when_it_is_asked_for(bed, meter):
    async with bed.link() as link, bed.fleet(link):
        assert await ended(bed, order(bed, meter, "refresh", None)) == (
            "done",
            "The slow values were read.",
        )
        rows = await until(
            lambda: (
                len(found := bed.all("SELECT kind, data FROM acrel_meter_snapshot")) == 3
                and dict(found)
            ),
            "the snapshots",
        )
        quality, settings, extremes = (rows[kind] for kind in ("quality", "settings", "extremes"))
        assert (quality["thd_ua"], quality["thd_ic"], len(quality["harmonics_uc"])) == (
            215,
            832,
            30,
        )
        assert quality["i_residual"] == 12
        rates = [quality[f"e_forward_{rate}"] for rate in ("sharp", "peak", "flat", "valley")]
        phases = [quality[f"e_forward_{phase}"] for phase in "abc"]
        assert sum(rates) == sum(phases) == 12345
        assert quality["demand_max_p_forward_at"].endswith("-03-07 11:30:00")
        assert settings["alarm_over_u"] == 2650
        assert settings["day_table_1"].startswith("030000020008010013040017")
        assert [row["max_ua"] - extremes["rows"][0]["max_ua"] for row in extremes["rows"]] == [
            0, 1, 2, 3,
        ]  # fmt: skip
        assert "reserved_01C5" not in settings and BY_NAME["alarm_over_u"].range == (0, 9999)

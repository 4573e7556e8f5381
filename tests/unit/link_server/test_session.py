"""The main line: a meter registers, is read, is closed and opened."""

from .bed import until

SERIAL = "99000000000001"


async def test_close_and_open_are_confirmed_with_their_registers(bed):
    _, meter, output = bed.add_link(SERIAL)
    async with bed.link() as link, bed.fleet(link, speed=1000):
        await until(lambda: bed.readings(meter) > 2, "readings")
        closed = bed.want(output, "closed")
        live = await until(
            lambda: (row := bed.live(output)).get("close_revision") == closed and row, "closed"
        )
        assert (live["state"], live["relay"]) == ("closed", True)
        assert live["confirmed_revision"] == closed
        assert live["close_register"] >= 12345
        await until(lambda: bed.live(output)["feedback"], "the contactor followed")
        opened = bed.want(output, "open")
        live = await until(
            lambda: (row := bed.live(output)).get("confirmed_revision") == opened and row, "open"
        )
    assert (live["state"], live["relay"], live["feedback"]) == ("open", False, False)
    assert live["open_revision"] == opened
    assert live["open_register"] > live["close_register"]
    boundaries = bed.all(
        "SELECT e_forward FROM acrel_reading_raw WHERE received_at IN (%s, %s)"
        " ORDER BY received_at",
        live["close_read_at"],
        live["open_read_at"],
    )
    assert boundaries == [(live["close_register"],), (live["open_register"],)]
    assert bed.all("SELECT kind, state, attempts FROM acrel_command ORDER BY id") == [
        ("close", "done", 1),
        ("open", "done", 1),
    ]

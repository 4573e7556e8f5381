"""Each model of meter end to end: a meter of its profile registers, is read, switched, and uploads.

What is needed for a model is its file: nothing here names a register.
"""

import pytest

from acrel_link.profiles import names, profile

from .bed import until

SERIAL = "99000000000001"


@pytest.mark.parametrize("name", names())
async def test_a_model_is_read_switched_and_billed(bed, name):
    model = profile(name)
    feedback = 1 if model.inputs else 0
    _, meter, output = bed.add_link(SERIAL, profile=name, feedback=feedback)
    async with (
        bed.link() as link,
        bed.fleet(link, profile=name, interval=0.4, load=6000, speed=3600) as fleet,
    ):
        live = await until(lambda: bed.row("acrel_meter_live", "meter_id", meter), "a reading")
        assert live["e_forward"] == 12345
        revision = bed.want(output, "closed")
        await until(lambda: bed.live(output).get("close_revision") == revision, "the close")
        await until(lambda: fleet.state(SERIAL)["contactor"], "the contactor")
        assert bed.live(output)["close_register"] == 12345
        await until(
            lambda: bed.row("acrel_meter_live", "meter_id", meter)["e_forward"] > 12400, "energy"
        )
        power = bed.row("acrel_meter_live", "meter_id", meter)["p"]
        assert power is None or 5900 < power < 6100
        revision = bed.want(output, "open")
        await until(lambda: bed.live(output).get("open_revision") == revision, "the opening")
        await until(lambda: not fleet.state(SERIAL)["contactor"], "the contactor")
        state = fleet.state(SERIAL)
        assert [closed for _, closed in state["relay_writes"]][-2:] == [True, False]
        assert 12400 < bed.live(output)["open_register"] <= state["register"]
        await until(
            lambda: bed.one(
                "SELECT count(*) FROM acrel_reading_raw WHERE source = 145 AND e_forward = %s",
                state["register"],
            ),
            "an upload that holds the billing register",
        )
        assert bed.all("SELECT reason FROM acrel_reading_quarantine") == []


async def test_a_meter_of_a_model_that_is_not_known_is_left_alone(bed):
    """Read as another model, its registers would be somebody's bill."""
    bed.add_link(SERIAL, slaves=(2,), profile="adw999")
    bed.admin.execute(
        "INSERT INTO acrel_meter (link_id, slave_address, profile, active)"
        " SELECT id, 1, 'adw300', true FROM acrel_link"
    )
    async with bed.link() as link, bed.fleet(link):
        await until(lambda: bed.readings() > 2, "readings of the other meter")
        assert bed.one("SELECT count(DISTINCT meter_id) FROM acrel_reading_raw") == 1
        specs = link.context.master.links[SERIAL].meters
        assert [(spec.slave, spec.profile.name) for spec in specs] == [(1, "adw300")]

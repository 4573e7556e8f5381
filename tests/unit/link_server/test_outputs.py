"""Contactors: closed on a sound start, opened for ever, watched for what they do themselves."""

from datetime import UTC, datetime, timedelta

import pytest

from acrel_link.attempts import CLAIM_FIRST

from .bed import until

SERIAL = "99000000000001"


def utcnow() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@pytest.fixture
def ids(bed):
    return bed.add_link(SERIAL)


@pytest.fixture
async def link(bed, ids):
    async with bed.link() as link:
        yield link


@pytest.fixture
async def fleet(bed, link, ids):
    """One meter whose energy grows 100 times as fast: about 19 counts a second."""
    async with bed.fleet(link, speed=100) as fleet:
        await until(lambda: bed.live(ids[2]).get("state") == "open", "the output was seen")
        yield fleet


def relay_writes(fleet) -> list[bool]:
    return [closed for _, closed in fleet.state(SERIAL)["relay_writes"]]


async def live_until(bed, output, **values) -> dict:
    def reached():
        row = bed.live(output)
        return all(row.get(name) == value for name, value in values.items()) and row

    return await until(reached, f"the output's row shows {values}")


async def close(bed, output, **values) -> dict:
    revision = bed.want(output, "closed", **values)
    feedback = bed.one("SELECT feedback_input FROM acrel_output WHERE id = %s", output)
    expected = {"feedback": True} if feedback else {}
    return await live_until(bed, output, close_revision=revision, state="closed", **expected)


async def test_the_start_is_read_before_the_contactor_closes(bed, ids, fleet):
    register = fleet.state(SERIAL)["register"]
    row = await close(bed, ids[2])
    assert row["close_register"] == register
    assert row["close_read_at"] < row["confirmed_at"]
    assert fleet.state(SERIAL)["contactor"]


async def test_a_close_is_sent_once(bed, ids, link, fleet):
    await close(bed, ids[2])
    first = fleet.state(SERIAL)["polls_answered"]
    await until(lambda: fleet.state(SERIAL)["polls_answered"] > first + 10, "polls went on")
    assert relay_writes(fleet) == [True]


async def test_a_zero_register_starts_nothing(bed, ids, fleet):
    fleet.fault(SERIAL, "zero_register", 1_000_000)
    bed.want(ids[2], "closed")
    await until(lambda: bed.events("close_refused"), "the refusal")
    row = await until(lambda: (row := bed.live(ids[2]))["error"] and row, "the error")
    assert "fell" in row["error"] and row["close_revision"] is None
    assert relay_writes(fleet) == []
    fleet.clear(SERIAL)
    row = await live_until(bed, ids[2], close_revision=1, state="closed", error=None)
    assert row["close_register"] >= 12345


async def test_a_register_that_fell_starts_nothing(bed, ids, fleet):
    fleet.fault(SERIAL, "backwards", 100)
    bed.want(ids[2], "closed", close_before=utcnow() + timedelta(seconds=2))
    await until(lambda: bed.events("close_expired"), "it expired")
    assert bed.events("close_refused") and bed.events("register_fell")
    assert relay_writes(fleet) == []


async def test_a_meter_that_does_not_answer_starts_nothing(bed, ids, fleet):
    fleet.fault(SERIAL, "no_reply")
    bed.want(ids[2], "closed", close_before=utcnow() + timedelta(seconds=2))
    await until(lambda: bed.events("close_expired"), "it expired")
    fleet.clear(SERIAL)
    polls = fleet.state(SERIAL)["polls_answered"]
    await until(lambda: fleet.state(SERIAL)["polls_answered"] > polls + 5, "it is polled again")
    assert relay_writes(fleet) == []
    assert bed.live(ids[2])["error"]


async def test_an_expired_close_is_never_sent(bed, ids, fleet):
    bed.want(ids[2], "closed", close_before=utcnow() - timedelta(seconds=1))
    await until(lambda: bed.events("close_expired"), "it expired")
    row = bed.live(ids[2])
    assert "time limit" in row["error"] and row["confirmed_revision"] is None
    assert relay_writes(fleet) == []


async def test_a_close_of_a_meter_that_is_away_is_never_sent_late(bed, ids, link):
    bed.want(ids[2], "closed", close_before=utcnow() + timedelta(seconds=0.2))
    await until(lambda: bed.one("SELECT now() AT TIME ZONE 'UTC' > close_before"
                                " FROM acrel_output_wanted"), "it is too late")  # fmt: skip
    async with bed.fleet(link) as fleet:
        await until(lambda: bed.events("close_expired"), "it expired")
        assert relay_writes(fleet) == []


async def test_a_close_that_was_taken_back_is_not_sent(bed, ids, link):
    bed.want(ids[2], "closed")
    revision = bed.want(ids[2], "open")
    async with bed.fleet(link) as fleet:
        await live_until(bed, ids[2], confirmed_revision=revision, state="open")
        assert True not in relay_writes(fleet)


async def test_an_open_is_tried_until_it_is_confirmed(bed, ids, fleet):
    await close(bed, ids[2])
    fleet.fault(SERIAL, "no_reply")
    revision = bed.want(ids[2], "open")
    await until(lambda: bed.events("open_failed"), "a try failed")
    fleet.clear(SERIAL)
    row = await live_until(bed, ids[2], confirmed_revision=revision, state="open", error=None)
    assert row["open_revision"] == revision and row["open_register"] >= row["close_register"]
    await until(lambda: bed.events("open_failed")[0]["end_at"], "the event's end")


async def test_a_welded_contactor_is_an_alarm_and_tried_for_ever(bed, ids, fleet):
    await close(bed, ids[2])
    fleet.fault(SERIAL, "stuck")
    revision = bed.want(ids[2], "open")
    events = await until(lambda: bed.events("feedback_mismatch"), "the alarm")
    assert events[0]["severity"] == "alarm" and events[0]["output_id"] == ids[2]
    row = await live_until(bed, ids[2], relay=False, feedback=True, state="closed")
    assert row["confirmed_revision"] != revision
    stuck = await until(lambda: bed.events("contactor_stuck"), "what to do")
    assert "feedback says closed" in stuck[0]["message"] and stuck[0]["severity"] == "alarm"
    writes = len(relay_writes(fleet))
    await until(lambda: len(relay_writes(fleet)) > writes + 1, "it is tried again")
    fleet.clear(SERIAL)
    await live_until(bed, ids[2], confirmed_revision=revision, state="open", error=None)
    for kind in ("feedback_mismatch", "contactor_stuck"):
        await until(lambda kind=kind: bed.events(kind)[0]["end_at"], f"the end of {kind}")
        assert len(bed.events(kind)) == 1


async def test_current_through_an_open_output_is_an_alarm(bed, link):
    """Without a feedback input only the current tells that the contactor is welded."""
    _, _, output = bed.add_link(str(int(SERIAL) + 1), feedback=0)
    await until(lambda: len(link.context.master.links) == 2, "the link is known")
    async with bed.fleet(link, serial_start=int(SERIAL) + 1, load=7000) as fleet:
        serial = next(iter(fleet.clients))
        await until(lambda: bed.live(output), "the output was seen")
        await close(bed, output)
        await until(lambda: fleet.state(serial)["contactor"], "the contactor followed")
        fleet.fault(serial, "stuck")
        bed.want(output, "open")
        events = await until(lambda: bed.events("contactor_stuck"), "the alarm")
        assert events[0]["output_id"] == output and "A flow" in events[0]["message"]
        assert "Switch the supply off upstream" in events[0]["message"]
        fleet.clear(serial)
        await until(lambda: bed.events("contactor_stuck")[0]["end_at"], "the event's end")


async def test_a_contactor_that_does_not_close_is_an_alarm_and_its_relay_is_opened(bed, ids, fleet):
    fleet.fault(SERIAL, "no_close")
    revision = bed.want(ids[2], "closed")
    row = await live_until(
        bed, ids[2], confirmed_revision=revision, open_revision=revision, relay=False, state="open"
    )
    assert row["open_register"] == row["close_register"]
    assert bed.events("feedback_mismatch") and bed.events("close_failed")
    assert not fleet.state(SERIAL)["relay"]


async def test_a_contactor_that_opens_itself_ends_its_close(bed, ids, fleet):
    revision = (await close(bed, ids[2]))["close_revision"]
    fleet.fault(SERIAL, "opens_itself")
    row = await live_until(bed, ids[2], open_revision=revision, state="open", relay=False)
    assert row["open_register"] >= row["close_register"]
    assert row["guard_tripped"] is None and "by itself" in row["error"]
    assert [event["output_id"] for event in bed.events("opened_itself")] == [ids[2]]
    assert True not in relay_writes(fleet)[1:], "it is never closed again"


async def test_a_contactor_that_closes_itself_is_opened_again(bed, ids, fleet):
    await close(bed, ids[2])
    revision = bed.want(ids[2], "open")
    await live_until(bed, ids[2], confirmed_revision=revision, state="open")
    device = fleet.clients[SERIAL].device
    device.write(device._now, 0x01C2, (1,))
    await until(lambda: bed.events("closed_itself"), "the event")
    await until(lambda: not fleet.state(SERIAL)["relay"], "it is open again")


async def test_the_energy_guard_opens(bed, ids, fleet):
    revision = (await close(bed, ids[2], guard_energy=40))["close_revision"]
    row = await live_until(bed, ids[2], open_revision=revision, state="open")
    assert row["guard_register"] == row["close_register"] + 40
    assert row["guard_tripped"] == "energy" and row["guard_tripped_at"]
    assert row["open_register"] >= row["guard_register"]
    assert not fleet.state(SERIAL)["contactor"]
    assert bed.events("guard_tripped")[0]["output_id"] == ids[2]


async def test_the_time_guard_opens_although_nothing_flows(bed, ids, fleet):
    fleet.plug(SERIAL, False)
    until_time = utcnow() + timedelta(seconds=1.5)
    revision = (await close(bed, ids[2], guard_until=until_time))["close_revision"]
    row = await live_until(bed, ids[2], open_revision=revision, state="open")
    assert row["guard_tripped"] == "time"
    assert row["open_read_at"] >= until_time


async def test_a_guard_may_move(bed, ids, fleet):
    row = await close(bed, ids[2], guard_energy=1_000_000)
    assert row["guard_register"] == row["close_register"] + 1_000_000
    bed.want(ids[2], "closed", guard_energy=30)
    row = await live_until(bed, ids[2], guard_tripped="energy", state="open")
    assert row["guard_register"] == row["close_register"] + 30
    assert relay_writes(fleet)[0] and not any(relay_writes(fleet)[1:])


async def test_a_guard_that_is_over_closes_nothing(bed, ids, fleet):
    bed.want(
        ids[2],
        "closed",
        guard_until=utcnow() - timedelta(seconds=1),
        close_before=utcnow() + timedelta(seconds=1),
    )
    await until(lambda: bed.events("close_expired"), "it expired")
    assert relay_writes(fleet) == []


async def test_hold_is_opened_by_no_guard_but_by_a_person(bed, ids, fleet):
    await close(
        bed, ids[2], guard_energy=20, guard_until=utcnow() + timedelta(seconds=1), on_doubt="hold"
    )
    events = await until(lambda: bed.events("guard_held"), "the alarm")
    assert events[0]["severity"] == "alarm"
    register = fleet.state(SERIAL)["register"]
    await until(lambda: fleet.state(SERIAL)["register"] > register + 40, "energy goes on")
    assert len(bed.events("guard_held")) == 1
    assert fleet.state(SERIAL)["contactor"] and relay_writes(fleet) == [True]
    assert bed.live(ids[2])["guard_tripped"] is None
    revision = bed.want(ids[2], "open", on_doubt="hold")
    await live_until(bed, ids[2], confirmed_revision=revision, state="open")
    await until(lambda: bed.events("guard_held")[0]["end_at"], "the alarm's end")


async def test_hold_is_not_opened_when_its_close_expired_unconfirmed(bed, ids, link):
    """The process died between closing and confirming: on hold only a person ends it."""
    bed.want(ids[2], "closed", on_doubt="hold", close_before=utcnow() - timedelta(seconds=1))
    async with bed.fleet(link) as fleet:
        device = fleet.clients[SERIAL].device
        device.write(device._now, 0x01C2, (1,))
        await until(lambda: bed.events("guard_held"), "the alarm")
        assert fleet.state(SERIAL)["relay"]


async def test_the_contactor_of_an_ended_session_opens_at_the_registration(bed, ids, fleet):
    await close(bed, ids[2])
    fleet.fault(SERIAL, "vanish")
    await until(
        lambda: not bed.row("acrel_link_live", "link_id", ids[0])["online"], "the meter is gone"
    )
    revision = bed.want(ids[2], "open")
    assert fleet.state(SERIAL)["contactor"]
    fleet.clear(SERIAL)
    row = await live_until(bed, ids[2], confirmed_revision=revision, state="open")
    connected = bed.row("acrel_link_live", "link_id", ids[0])["connected_at"]
    assert row["confirmed_at"] - connected < timedelta(seconds=5)
    assert row["open_register"] > row["close_register"]


async def test_a_guard_that_passed_while_the_meter_was_away_opens_at_the_registration(
    bed, ids, fleet
):
    revision = (await close(bed, ids[2], guard_until=utcnow() + timedelta(seconds=3)))[
        "close_revision"
    ]
    fleet.fault(SERIAL, "vanish")
    await until(
        lambda: bed.one("SELECT now() AT TIME ZONE 'UTC' > guard_until FROM acrel_output_wanted"),
        "the time is over",
    )
    assert fleet.state(SERIAL)["contactor"]
    fleet.clear(SERIAL)
    row = await live_until(bed, ids[2], open_revision=revision, state="open")
    assert row["guard_tripped"] == "time"


async def test_an_end_without_a_register_is_told_as_such(bed, ids, fleet):
    await close(bed, ids[2])
    fleet.fault(SERIAL, "zero_register", 1_000_000)
    revision = bed.want(ids[2], "open")
    row = await live_until(bed, ids[2], confirmed_revision=revision, state="open")
    assert row["open_register"] is None
    assert not fleet.state(SERIAL)["contactor"]


async def test_a_person_reads_a_meter(bed, ids, fleet):
    def order(meter, expires):
        return bed.one(
            "INSERT INTO acrel_command (meter_id, kind, origin, state, requested_at, expires_at)"
            " VALUES (%s, 'read', 'user', 'queued', now(), %s) RETURNING id",
            meter,
            expires,
        )

    command = order(ids[1], utcnow() + timedelta(seconds=30))
    bed.notify()
    row = await until(
        lambda: (row := bed.row("acrel_command", "id", command))["state"] == "done" and row, "done"
    )
    assert row["attempts"] == 1 and row["sent_at"] <= row["done_at"]
    _, away, _ = bed.add_link("99000000000009")
    command = order(away, utcnow() + timedelta(seconds=0.5))
    await until(lambda: bed.row("acrel_command", "id", command)["state"] == "expired", "it expired")


async def test_attempts_are_one_row_a_revision(bed, ids, fleet):
    await close(bed, ids[2])
    fleet.fault(SERIAL, "no_reply", 3)
    revision = bed.want(ids[2], "open")
    await live_until(bed, ids[2], confirmed_revision=revision, state="open")
    rows = await until(
        lambda: len(
            rows := bed.all("SELECT kind, state, origin, attempts FROM acrel_command ORDER BY id")
        ) == 2 and rows,
        "both rows",
    )  # fmt: skip
    assert [row[:3] for row in rows] == [("close", "done", "desired"), ("open", "done", "desired")]


async def test_an_output_is_not_written_under_a_lost_epoch(bed, ids):
    """Another process claimed the link; the sweep, which would find out too, is far away."""
    async with bed.link(sweep=3600) as link, bed.fleet(link) as fleet:
        row = await until(lambda: bed.live(ids[2]), "the output was seen")
        await until(lambda: bed.row("acrel_link_live", "link_id", ids[0]), "the claim")
        connections = fleet.state(SERIAL)["connections"]
        await bed.elsewhere("UPDATE acrel_link_live SET epoch = nextval('acrel_link_epoch_seq')")
        bed.want(ids[2], "open")
        await until(
            lambda: fleet.state(SERIAL)["connections"] > connections, "its connection was closed"
        )
        await live_until(bed, ids[2], confirmed_revision=1)
        assert bed.live(ids[2])["change"] > row["change"]


async def test_a_close_is_not_sent_under_a_lost_epoch(bed, ids):
    """It is sent by the connection that owns the link again, after its registration."""
    async with bed.link(sweep=3600) as link, bed.fleet(link) as fleet:
        await until(lambda: bed.live(ids[2]), "the output was seen")
        await bed.elsewhere("UPDATE acrel_link_live SET epoch = nextval('acrel_link_epoch_seq')")
        await close(bed, ids[2])
        connected = bed.row("acrel_link_live", "link_id", ids[0])["connected_at"]
        assert fleet.state(SERIAL)["connections"] == 2
        (sent, closed), *others = fleet.state(SERIAL)["relay_writes"]
        assert closed and not others
        assert datetime.fromtimestamp(sent / 1e9, UTC).replace(tzinfo=None) > connected


async def test_a_close_that_is_taken_back_while_it_is_claimed_is_not_sent(bed, ids, link, fleet):
    fetch, revisions = link.context.control.fetch, []

    async def taken_back(sql, arguments=()):
        rows = await fetch(sql, arguments)
        if sql == CLAIM_FIRST:
            revisions.append(bed.want(ids[2], "open"))
            await link.context.master.refresh_wanted(whole=True)
        return rows

    link.context.control.fetch = taken_back
    bed.want(ids[2], "closed")
    await until(lambda: revisions, "the close was claimed")
    await live_until(bed, ids[2], confirmed_revision=revisions[0], state="open")
    assert True not in relay_writes(fleet)
    await until(
        lambda: bed.all("SELECT 1 FROM acrel_command WHERE kind = 'close' AND state = 'failed'"),
        "the attempt has its end",
    )


async def test_a_read_whose_process_died_expires(bed, ids):
    rows = [
        bed.one(
            "INSERT INTO acrel_command (meter_id, kind, origin, state, expires_at)"
            " VALUES (%s, 'read', 'user', 'sent', %s) RETURNING id",
            ids[1],
            utcnow() - timedelta(seconds=age),
        )
        for age in (120, 20)
    ]
    state = "SELECT state FROM acrel_command WHERE id = %s"
    async with bed.link():
        await until(lambda: bed.one(state, rows[0]) == "expired", "it expired")
        assert bed.one(state, rows[1]) == "sent", "its end may still be written"

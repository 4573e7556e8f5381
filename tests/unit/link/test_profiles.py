"""Profiles as files: each can be what it says, and what cannot be is refused with its reason."""

import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

import acrel_link
from acrel_link.crc import seal
from acrel_link.errors import ProfileError
from acrel_link.profiles import (
    OUTPUTS,
    READING,
    SIGNAL,
    OutputDrive,
    names,
    profile,
    read_profile,
)
from acrel_link.register_map import DECIMALS, RegisterMap, Section, _register, layout, load_map
from acrel_link.uploads import build_blocks, parse_upload

MOST_AT_ONCE = 56  # registers, the largest read that a published request makes


def maps() -> list[RegisterMap]:
    folder = files(acrel_link) / "meters"
    return [load_map(file.name) for file in folder.iterdir() if file.name.endswith(".csv")]


@pytest.mark.parametrize("registers", maps(), ids=lambda registers: registers.file)
def test_every_register_says_where_it_comes_from(registers):
    for register in registers.registers:
        assert register.source and register.item
        assert register.access in ("R", "RW", "")
        assert not register.write or "W" in register.access
        assert register.words > 0


@pytest.mark.parametrize("name", names())
def test_all_that_a_profile_reads_is_in_its_map(name):
    model = profile(name)
    read = [*model.billing, *model.billing_parts]
    for blocks in model.snapshots.values():
        read += blocks
    if model.alarm_block:
        assert model.map.inside(*model.alarm_block)
    for start, count in read:
        assert count <= MOST_AT_ONCE
        assert sum(register.words for register in model.map.inside(start, count)) == count
    for history in model.history.values():
        assert sum(register.words for register in history.map.registers) == history.map.size
        assert sum(count for _, count in history.blocks(0)) == history.map.size
        assert history.map.size <= history.step


@pytest.mark.parametrize("name", names())
def test_an_upload_of_every_profile_is_understood(name):
    model = profile(name)
    rules = {rule.id: rule for rule in reversed(model.uploads)}
    for size in ("least", "most"):
        payloads = [(rule.id, _payload(rule, getattr(rule, size))) for rule in rules.values()]
        upload = parse_upload(build_blocks("1" * 14, payloads), model)
        assert upload.refused == ()
        assert "e_forward" in upload.layout.columns
        kinds = {rule.kind for rule in rules.values()}
        assert (upload.outputs is not None) == (OUTPUTS in kinds)
        assert (upload.signal is not None) == (SIGNAL in kinds)


def _payload(rule, words: int) -> bytes:
    if rule.kind == "raw":
        return bytes(2 * words)
    return seal(bytes((1, 3, 2 * words)) + bytes(2 * words))


@pytest.mark.parametrize("name", names())
def test_billing_blocks_of_a_profile_hold_the_same_register(name):
    model = profile(name)
    data = bytearray(2 * model.map.size)
    register = next(each for each in model.map.registers if "e_forward" in each.reading)
    data[2 * register.address : 2 * register.end] = (123456).to_bytes(4, "big")
    for blocks in (model.billing, model.billing_parts):
        plan = model.layout(*blocks)
        got = b"".join(bytes(data[2 * start : 2 * (start + count)]) for start, count in blocks)
        assert dict(zip(plan.columns, plan.unpack(got), strict=True))["e_forward"] == 123456


# === Other counts than a reading has === #


def row(**values) -> dict[str, str]:
    return {
        "address": "0000", "words": "2", "type": "u32", "decimals": "2", "unit": "kWh",
        "access": "R", "write": "", "range": "", "name": "e", "reading": "e_forward", "item": "x",
        "source": "y", **values,
    }  # fmt: skip


@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_a_model_that_counts_otherwise_is_converted(raw, decimals):
    registers = RegisterMap("x.csv", [_register(row(decimals=str(decimals)))])
    value = layout(Section(registers, 0, 2)).unpack(raw.to_bytes(4, "big"))
    shift = DECIMALS["e_forward"] - decimals
    assert value == (raw * 10**shift if shift >= 0 else raw // 10**-shift,)


def test_one_register_may_fill_several_columns():
    plan = profile("ddsy1352").layout((0x000B, 3))
    assert dict(zip(plan.columns, plan.unpack(bytes.fromhex("08fc 0064 fffe")), strict=True)) == {
        "ua": 2300, "ia": 100, "p": -2, "pa": -2,
    }  # fmt: skip


# === Outputs === #


def test_a_level_is_one_bit():
    drive, block = profile("adw300").outputs[2], (0x01C2, 2)
    assert [drive.state(block, bytes(each)) for each in ((0, 1, 0, 0), (0, 0, 0x80, 3))] == [
        False,
        True,
    ]


def test_a_forced_pair_is_closed_open_or_neither():
    drive, block = profile("ddsy1352").outputs[1], (0x0057, 2)
    assert (drive.close, drive.open) == ((1, 0), (1, 1))
    assert drive.state(block, bytes((0, 1, 0, 0))) is True
    assert drive.state(block, bytes((0, 1, 0, 1))) is False
    assert drive.state(block, bytes((0, 0, 0, 0))) is None
    assert drive.state(block, bytes((0, 0, 0, 1))) is None


# === Files that cannot be === #


def told(name: str = "adw300") -> dict:
    return tomllib.loads((files(acrel_link) / "meters" / f"{name}.toml").read_text("utf-8"))


def without(key: str):
    return lambda given: given.pop(key)


WRONG = {
    "no map": (without("map"), "'map' is missing"),
    "no file": (lambda given: given.update(map="no.csv"), "No such file"),
    "no billing register": (lambda given: given.update(billing=[[0x14, 8]]), "do not hold"),
    "too long": (lambda given: given.update(billing=[[0, 126]]), "126 registers from 0000H"),
    "unknown kind": (lambda given: given["uploads"][0].update(kind="x"), "unknown kind x"),
    "no output register": (lambda given: given["outputs"][0].update(register=0x1D0), "no output"),
    "same words": (lambda given: given["outputs"][0].update(open=[1]), "do not fit together"),
    "no such mode": (lambda given: given["outputs"][0].update(mode="x"), "no register x"),
    "unknown event": (lambda given: given["status"][0].update(events=["x"]), "events.py"),
    "no threshold": (
        lambda given: given["thresholds"].update(alarm_over_voltage="pt"),
        "pt is no threshold",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_file_that_cannot_be_is_refused_with_its_reason(kind):
    change, message = WRONG[kind]
    given = told()
    change(given)
    with pytest.raises(ProfileError, match=message) as error:
        read_profile("broken", given)
    assert str(error.value).startswith("The profile broken cannot be used: ")


def test_a_profile_that_does_not_exist():
    with pytest.raises(ProfileError, match="no profile 'adw301'; there are adw300, adw300_4g"):
        profile("adw301")


def test_status_words_side_by_side_are_one_read():
    assert profile("adw300").status_blocks == [(0x01EB, 1), (0x0268, 2)]
    assert profile("ddsy1352").status_blocks == []


def test_what_stands_in_a_base_need_not_be_said_again():
    base, derived = profile("adw300"), profile("adw300_nb")
    assert derived.billing == base.billing and derived.status == base.status
    assert len([rule for rule in base.uploads if rule.kind == READING]) == 4
    assert len([rule for rule in derived.uploads if rule.kind == READING]) == 2
    assert isinstance(derived.outputs[1], OutputDrive)

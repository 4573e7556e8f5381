"""The ADW300's register map by name, for what speaks of this model's registers alone."""

from functools import cache

from .register_map import Block, Layout, Section, load_map
from .register_map import layout as layout_of

ADW300 = load_map("adw300.csv")
REGISTERS = ADW300.registers
BY_NAME = ADW300.by_name
CLOCK = BY_NAME["meter_clock"]
OUTPUTS = {1: BY_NAME["do1"], 2: BY_NAME["do2"]}

BILLING_BLOCK = (BY_NAME["pt"].address, BY_NAME["eq_reverse"].end - BY_NAME["pt"].address)
OUTPUT_BLOCK = (OUTPUTS[1].address, OUTPUTS[2].end - OUTPUTS[1].address)
INPUT_BLOCK = (BY_NAME["di"].address, 1)
ALARM_BLOCK = (BY_NAME["alarm1_enable"].address, 42)
describe = ADW300.describe


@cache
def layout(*blocks: Block) -> Layout:
    """Return how blocks of ADW300 registers become columns of a reading."""
    return layout_of(*(Section(ADW300, *block) for block in blocks))

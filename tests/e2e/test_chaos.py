"""Ten kills at random instants under load, seeded: nothing is lost, doubled or left closed."""

import pytest

from chaos_network import Chaos

SEALED = True  # so that a close may be sent again, and is obeyed once
SEED = 2026
KILLS = 10


@pytest.mark.timeout(400, func_only=True)
def test_random_kills_lose_and_double_nothing(network):
    chaos = Chaos(network, SEED)
    struck = []
    while chaos.kills < KILLS:
        struck.append(chaos.strike())
        chaos.check_outputs()
    assert {name for victims in struck for name in victims} == {"link", "engine", "PostgreSQL"}
    chaos.settle()
    chaos.check_all()

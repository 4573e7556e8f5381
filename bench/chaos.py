"""Frames that no meter sends, and processes that die under load: long, and resumable.

Each run goes on where the last one ended, until 10^7 frames and 200 kills are done; what was done
is kept in .local/bench/chaos.json. It fails at the first frame that does what it must not, and at
the first book that does not tie. The short and seeded form is part of the suite.
"""

import json
import time
from collections.abc import Iterator

from chaos_network import Chaos
from house import paths, provisioning
from house.stage import Stage
from network import Network
from unit.sealed import torture

FRAMES, KILLS = 10_000_000, 200
STATE = paths.LOCAL / "bench" / "chaos.json"
SHARE = 20_000  # frames of each kind between two looks at the clock
KILLS_A_DATABASE = 20


def run(stage: Stage, seconds: float) -> Iterator[tuple[str, float, str]]:
    """Spend half the time on frames and half on kills, and give what was done in all."""
    done = json.loads(STATE.read_text()) if STATE.exists() else {"frames": 0, "kills": 0}
    until = time.monotonic() + seconds / 2
    while done["frames"] < FRAMES and time.monotonic() < until:
        done["frames"] += _feed(seed=done["frames"])
        _keep(done)
    yield "frames", done["frames"], "1"
    until = time.monotonic() + seconds / 2
    while done["kills"] < KILLS and time.monotonic() < until:
        done["kills"] += _kill(stage, seed=done["kills"], until=until)
        _keep(done)
    yield "kills", done["kills"], "1"
    yield "frames_left", FRAMES - done["frames"], "1"
    yield "kills_left", KILLS - done["kills"], "1"


def _feed(seed: int) -> int:
    """Feed every decoder its share; return how many frames that were."""
    torture.plain(seed, SHARE)
    torture.inside_tls(seed, SHARE)
    for at_server in (True, False):
        torture.mad_peer(seed, SHARE, at_server=at_server)
        torture.stranger(seed, SHARE, at_server=at_server)
    return 6 * SHARE


def _kill(stage: Stage, seed: int, until: float) -> int:
    """Kill on a fresh database until the time is over; return how often everything tied."""
    stage.demo()
    root_key = STATE.with_name("chaos.key")
    provisioning.make_root_key(root_key)
    with Network(stage, "bench_chaos", root_key) as network:
        chaos = Chaos(network, seed)
        while chaos.kills < KILLS_A_DATABASE and time.monotonic() < until:
            chaos.strike()
            chaos.check_outputs()
        chaos.settle()
        chaos.check_all()
        return chaos.kills


def _keep(done: dict[str, int]) -> None:
    paths.make(STATE.parent)
    fresh = STATE.with_suffix(".new")
    fresh.write_text(json.dumps(done))
    fresh.replace(STATE)

"""What a Python team would take instead: mobilityhouse's ocpp over websockets, MeterValues.

A central system in a process of its own answers 200 charge points, each of which sends the next
message when the one before is answered. It checks messages by their JSON schema, as the library
does by itself, and stores nothing.
"""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

POINTS = 200
WARM_UP = 2.0
PROTOCOL = "ocpp1.6"
MEASURANDS = {
    "Energy.Active.Import.Register": ("Wh", "1234567"),
    "Power.Active.Import": ("W", "7000"),
    "Voltage": ("V", "230.1"),
    "Current.Import": ("A", "10.2"),
}


def run(seconds: float) -> Iterator[tuple[str, float, str]]:
    """Measure the central system's CPU a message."""
    from house.settings import free_port

    port = free_port()
    command = [sys.executable, __file__]
    with subprocess.Popen([*command, "serve", str(port)], stdout=subprocess.PIPE, text=True) as one:
        try:
            one.stdout.readline()  # it listens
            words = [*command, "call", str(port), str(seconds), str(one.pid)]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        finally:
            one.terminate()
    messages, cpu, elapsed = map(float, done.stdout.split())
    yield "peer_us_per_message", round(cpu / messages * 1e6), "us"
    yield "peer_messages_per_second", round(messages / elapsed), "1/s"


async def _serve(port: int) -> None:
    import websockets
    from ocpp.routing import on
    from ocpp.v16 import ChargePoint, call_result
    from ocpp.v16.enums import Action

    class Point(ChargePoint):
        @on(Action.meter_values)
        def on_meter_values(self, connector_id, meter_value, **_):
            return call_result.MeterValues()

    async def serve(connection) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            await Point(connection.request.path.strip("/"), connection).start()

    async with websockets.serve(serve, "127.0.0.1", port, subprotocols=[PROTOCOL]):
        print("ready", flush=True)
        await asyncio.Future()


async def _call(port: int, seconds: float, server: int) -> None:
    import json

    import psutil
    import websockets

    value = {
        "timestamp": "2026-01-01T00:00:00Z",
        "sampledValue": [
            {"value": value, "measurand": name, "unit": unit}
            for name, (unit, value) in MEASURANDS.items()
        ],
    }
    payload = {"connectorId": 1, "transactionId": 1, "meterValue": [value]}
    answered, going = 0, True

    async def point(number: int) -> None:
        nonlocal answered
        address = f"ws://127.0.0.1:{port}/{number}"
        async with websockets.connect(address, subprotocols=[PROTOCOL]) as connection:
            while going:
                message = [2, str(answered), "MeterValues", payload]
                await connection.send(json.dumps(message))
                if json.loads(await connection.recv())[0] != 3:
                    raise RuntimeError("The central system refused a message.")
                answered += 1

    def sample() -> tuple[int, float, float]:
        times = psutil.Process(server).cpu_times()
        return answered, times.user + times.system, time.monotonic()

    points = [asyncio.create_task(point(number)) for number in range(POINTS)]
    await asyncio.sleep(WARM_UP)
    before = sample()
    await asyncio.wait(points, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    after = sample()
    going = False
    await asyncio.gather(*points)
    print(*(new - old for new, old in zip(after, before, strict=True)))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(_serve(int(sys.argv[2])))
    else:
        asyncio.run(_call(int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))

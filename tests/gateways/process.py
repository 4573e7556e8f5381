"""A gateway as a process of its own."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from .gateway import Gateway
from .notifier import MODES
from .server import Server


def run(kind: type[Gateway], arguments: list[str] | None = None) -> int:
    """Serve a gateway until told to end; one JSON line on stdout says where it is reached."""
    options = _parser(kind).parse_args(arguments)
    if options.state:
        options.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    gateway = kind(options.state / "book.json" if options.state else None)
    gateway.notifier.speed = options.speed
    gateway.notifier.set_mode(options.notifications)
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    try:
        server = Server(gateway, options.port)
    except OSError as error:
        print(f"{kind.title} cannot listen on port {options.port}: {error}", file=sys.stderr)
        return 1
    server.start()
    ready = {"ready": True, "address": gateway.address, "cashier": f"{gateway.address}/cashier"}
    print(json.dumps(ready), flush=True)
    if options.until_stdin_closes:
        threading.Thread(target=_wait_for_end_of_stdin, args=(end,), daemon=True).start()
    end.wait()
    server.stop()
    return 0


def _wait_for_end_of_stdin(end: threading.Event) -> None:
    while sys.stdin.buffer.read1(4096):
        pass
    end.set()


def _speed(text: str) -> float:
    speed = float(text)
    if speed <= 0:
        raise argparse.ArgumentTypeError("the speed must be above 0")
    return speed


def _parser(kind: type[Gateway]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m gateways.{kind.name}", description=f"{kind.title} on loopback."
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0: any free one")
    parser.add_argument("--state", type=Path, metavar="FOLDER", help="remember everything there")
    parser.add_argument(
        "--notifications", choices=MODES, default="automatic", help="send them by itself, or hold"
    )
    parser.add_argument(
        "--speed", type=_speed, default=1.0, help="how much faster to repeat notifications"
    )
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when standard input ends"
    )
    return parser

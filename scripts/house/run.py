"""`scripts/run`: the whole house in the foreground, with demonstration data."""

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator

from . import (
    bootstrap,
    database,
    gateways,
    paths,
    providers,
    provisioning,
    server,
    settings,
    site,
)
from .children import Child, Stop, adopt_orphans, end_orphans, stopping_on_signals
from .cluster import Cluster
from .errors import Refused, exit_code
from .odoo_command import OdooCommand
from .odoo_home import find_or_install
from .run_command import STEPS
from .stack import Stack

# Log-ins that the add-ons' demonstration data may bring, each with its name as password.
LOGINS = ("admin", "operator", "accountant", "driver", "agent")
# Serials that no real meter has begin so.
SIMULATED = "9900000000"


def main() -> int:
    """Start everything, wait, stop everything."""
    chosen = settings.read(os.environ)
    adopt_orphans()
    with _alone(), stopping_on_signals():
        try:
            _check_ports(chosen)
            with contextlib.ExitStack() as stack:
                _start(chosen, stack)
        except Stop:
            print("Stopped.", flush=True)
        finally:
            left = end_orphans()
    if left:
        raise Refused(f"These processes did not stop and were killed: {'; '.join(left)}.")
    return 0


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Refuse to run twice in one clone."""
    with open(paths.make(paths.LOCAL / "run") / "lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(
                "scripts/run is already running in this clone; stop it with Ctrl-C first."
            ) from error
        yield


def _check_ports(chosen: settings.Settings) -> None:
    settings.check_free(chosen.http_port, "ACREL_HTTP_PORT", "Odoo's pages")
    settings.check_free(chosen.link_port, "ACREL_LINK_PORT", "the meters")
    settings.check_free(chosen.wechatpay_port, "ACREL_WECHATPAY_PORT", "the simulated WeChat Pay")
    settings.check_free(chosen.alipay_port, "ACREL_ALIPAY_PORT", "the simulated Alipay")


def _start(chosen: settings.Settings, stack: contextlib.ExitStack) -> None:
    steps = bootstrap.steps(STEPS)
    steps.step("Odoo 19")
    home = find_or_install(steps.note)

    steps.step("PostgreSQL")
    named = settings.named_server(os.environ)
    cluster = None
    if named:
        where = server.of_named(named)
    else:
        cluster = stack.enter_context(Cluster("run", steps.note).running())
        where = server.of_cluster(cluster)

    steps.step(f"Database {chosen.database}")
    odoo = OdooCommand(home, where, paths.LOCAL / "run")
    _see_to_database(database.Databases(odoo, steps.note), chosen.database)

    processes = stack.enter_context(
        Stack(
            odoo,
            chosen.database,
            http_port=chosen.http_port,
            link_port=chosen.link_port,
            root_key=paths.ROOT_KEY,
        )
    )
    for log in paths.LOGS.glob(f"*-{chosen.database}.log"):
        log.unlink()
    steps.step("Simulated WeChat Pay and Alipay")
    cashiers = _start_gateways(processes, chosen)
    steps.step("Odoo server and the link to the meters")
    provisioning.make_root_key()
    odoo_server = processes.start_odoo(wait=False)
    processes.start_link()
    processes.wait_for_odoo(odoo_server)
    steps.step("Simulated meters")
    _start_meters(processes)
    site.start(processes)
    _greet(processes, cashiers, steps.seconds())
    _wait([*processes.children, *([cluster.child] if cluster and cluster.child else [])])


def _start_gateways(processes: Stack, chosen: settings.Settings) -> list[str]:
    """Simulate the payment gateways, have the providers use them; give the cashiers' pages."""
    ports = {"wechatpay": chosen.wechatpay_port, "alipay": chosen.alipay_port}
    running = [
        gateways.start(
            processes,
            name,
            ports[name],
            # An order of an earlier start can still be paid, and the gateway's keys stay.
            state=processes.odoo.folder / f"{name}-{processes.database}",
        )
        for name in gateways.NAMES
    ]
    providers.set_up(processes, running)
    return [f"{gateway.address}/cashier" for gateway in running]


def _start_meters(processes: Stack) -> None:
    """Simulate the meters of the demonstration's data."""
    with processes.odoo.server.connect(processes.database) as connection:
        serials = [
            serial
            for (serial,) in connection.execute(
                "SELECT serial FROM acrel_link WHERE serial LIKE %s ORDER BY serial",
                (f"{SIMULATED}%",),
            )
        ]
    if serials:
        processes.start_simulator(
            *provisioning.provision(processes, serials),
            f"--connect={processes.link_address}",
            f"--count={len(serials)}",
            f"--serial-start={serials[0]}",
            # A meter's register never goes back, also not from one start to the next.
            f"--state={processes.odoo.folder / f'meters-{processes.database}.json'}",
        )


def _see_to_database(databases: database.Databases, name: str) -> None:
    if not databases.server.exists(name):
        databases.make_demo(name)
    elif not databases.is_odoo(name):
        raise Refused(
            f"The database {name} exists but is not Odoo's; name another one by ACREL_DB."
        )
    elif databases.stamp(name) is None:
        raise Refused(
            f"The database {name} was not made by scripts/run; name another one by ACREL_DB."
        )
    else:
        databases.update(name)


def _greet(processes: Stack, cashiers: list[str], seconds: float) -> None:
    with processes.odoo.server.connect(processes.database) as connection:
        present = {
            login
            for (login,) in connection.execute(
                "SELECT login FROM res_users WHERE active AND login = ANY(%s)", (list(LOGINS),)
            )
        }
    logins = "\n".join(f"    {login} / {login}" for login in LOGINS if login in present)
    print(
        f"\nReady after {seconds:.0f} s:  {processes.url}\n\n"
        f"Log in (user / password):\n{logins}\n\n"
        "Payments by WeChat Pay and Alipay are simulated; the payer's wallets:\n"
        f"    {'  '.join(cashiers)}\n\n"
        f"Meters connect to {processes.link_address} by the channel sealed; logs are in "
        f"{paths.LOGS}.\n"
        "Ctrl-C stops everything.",
        flush=True,
    )


def _wait(children: list[Child]) -> None:
    """Wait for a signal; a process that ends by itself ends everything with one sentence."""
    while True:
        for child in children:
            if not child.running():
                raise Refused(
                    f"{child.name} ended by itself (exit code {child.process.returncode}): "
                    f"{child.last_words()} Its log is {child.log}."
                )
        time.sleep(0.5)  # a signal ends this at once by raising Stop


if __name__ == "__main__":
    sys.exit(exit_code(main))

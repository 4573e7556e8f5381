"""Notifications of payments taken and refused by one Odoo worker, and bill files read.

In turns, a batch of each kind: valid notifications of both gateways, payment_demo's own path for
the same effect, forged notifications, and an empty route without a user (`/web/health`). Orders
are placed by the add-ons at the simulated gateways, which sign the notifications beforehand.

Beside the rates stands the worker's CPU a request: where the machine is shared, everybody waits
for a core, and that makes ratios of rates kinder than they are.
"""

import datetime
import json
from collections.abc import Iterator, Sequence

import psutil
from _requests import Answer, fire, prepare

from house import gateways, providers
from house.errors import Refused
from house.gateways import Gateway
from house.stack import Stack
from house.stage import Stage

BATCH = 40
MOST = 1000  # payments of each kind
LINES = 100_000
CHANNELS = {"wechatpay": "wechatpay", "alipay": "alipay_cn"}
BILLS = {"wechatpay": "_wechatpay_bills", "alipay": "_alipay_cn_bills"}

_PLACE = """
import json
company = env.ref("base.main_company")
partner = env.ref("base.user_admin").partner_id
place = {{
    "demo": lambda tx: None,
    "wechatpay": lambda tx: tx._wechatpay_prepare("native"),
    "alipay_cn": lambda tx: tx._alipay_cn_qr(),
}}
placed = {{}}
for code, method in (("demo", "demo"), ("wechatpay", "wechat_pay"), ("alipay_cn", "alipay")):
    provider = env["payment.provider"].search(
        [("code", "=", code), ("company_id", "=", company.id), ("state", "=", "test")]
    )
    method = env["payment.method"].search([("code", "=", method)])
    placed[code] = []
    for number in range({count}):
        tx = env["payment.transaction"].create({{
            "provider_id": provider.id,
            "payment_method_id": method.id,
            "reference": env["payment.transaction"]._compute_reference(code, prefix="BENCH"),
            "amount": 1 + number / 100,
            "currency_id": company.currency_id.id,
            "partner_id": partner.id,
            "operation": "online_redirect",
        }})
        place[code](tx)
        placed[code].append(tx.reference)
    env.cr.commit()
print("PLACED", json.dumps(placed))
"""

_READ = """
import datetime, resource, time
provider = env["payment.provider"].search([
    ("code", "=", {code!r}), ("company_id", "=", env.ref("base.main_company").id)
])
resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin, used = time.perf_counter(), time.process_time()
rows = sum(1 for row in getattr(provider, {method!r})("trade", {day!r}))
seconds, used = time.perf_counter() - begin, time.process_time() - used
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("READ", rows, seconds, used, peak / 1024, (peak - resident) / 1024)
"""


def run(stage: Stage, seconds: float) -> Iterator[tuple[str, float, str]]:
    """Fire notifications at one worker, then read bills."""
    count = max(BATCH, min(MOST, int(seconds * 25)))
    with stage.stack("bench_payments") as stack:
        running = {name: gateways.start(stack, name) for name in gateways.NAMES}
        providers.set_up(stack, running.values())
        stage.server.set_parameter(stack.database, "web.base.url", stack.url)
        streams = _prepare(stage, stack, running, count)
        odoo = stack.start_odoo("--workers=1", "--max-cron-threads=0")
        spent, used = _measure(stack.http_port, streams, _worker(odoo.pid))
        with stage.server.connect(stack.database) as connection:
            ((done,),) = connection.execute(
                "SELECT count(*) FROM payment_transaction WHERE state = 'done'"
                " AND reference LIKE 'BENCH%'"
            ).fetchall()
        if done != 3 * count:
            raise Refused(f"{done} of {3 * count} payments are done.")
        yield from _figures(spent, used, count)
        yield from _bills(stage, stack, running)
    stage.databases.drop(stack.database)


def _prepare(
    stage: Stage, stack: Stack, running: dict[str, Gateway], count: int
) -> dict[str, list[bytes]]:
    """Place orders, have them paid, and give the requests of each kind."""
    printed = stage.odoo.script(
        stack.database,
        _PLACE.format(count=count),
        fails="The orders cannot be placed",
        log=stage.logs / "bench-payments-orders.log",
    )
    placed = json.loads(printed.partition("PLACED ")[2].splitlines()[0])
    streams = {
        "empty": [prepare(f"{stack.url}/web/health")] * count,
        "demo": [_demo(stack, reference) for reference in placed["demo"]],
    }
    for name, gateway in running.items():
        orders = placed[CHANNELS[name]]
        for reference in orders:
            gateway.control(f"orders/{reference}/pay", {"notify": False})
        for kind, mutations in (("valid", []), ("forged", ["forged"])):
            wanted = {"orders": orders, "mutations": mutations}
            made = gateway.control("notifications/make", wanted)["notifications"]
            streams[f"{name} {kind}"] = [prepare(**message) for message in made]
    return streams


def _demo(stack: Stack, reference: str) -> bytes:
    """Give the request by which payment_demo's page tells the payment's end."""
    call = {"params": {"reference": reference, "simulated_state": "done"}}
    return prepare(
        f"{stack.url}/payment/demo/simulate_payment",
        json.dumps({"jsonrpc": "2.0", "method": "call", **call}),
        {"Content-Type": "application/json"},
    )


def _worker(pid: int) -> psutil.Process:
    """Find the one process that answers requests below the server's."""
    (worker,) = [
        child for child in psutil.Process(pid).children() if "gevent" not in child.cmdline()
    ]
    return worker


def _measure(
    port: int, streams: dict[str, list[bytes]], worker: psutil.Process
) -> tuple[dict[str, float], dict[str, float]]:
    """Fire a batch of each kind in turn until all are answered.

    Returns the seconds that each kind took, and the seconds of the worker's CPU.
    """
    spent = dict.fromkeys(streams, 0.0)
    used = dict.fromkeys(streams, 0.0)
    fire(port, streams["empty"][:BATCH])  # the worker has loaded what it needs
    count = len(streams["empty"])
    for at in range(0, count, BATCH):
        for name, requests in streams.items():
            before = sum(worker.cpu_times()[:2])
            elapsed, answers = fire(port, requests[at : at + BATCH])
            spent[name] += elapsed
            used[name] += sum(worker.cpu_times()[:2]) - before
            _check(name, answers)
    return spent, used


def _check(name: str, answers: Sequence[Answer]) -> None:
    """Refuse a measurement in which something else was answered than what is measured."""
    for status, body in answers:
        if name.endswith("forged"):
            good = status >= 400 or body.strip() in (b"fail", b"failure")
        elif name == "alipay valid":
            good = status == 200 and body == b"success"
        else:
            good = status in (200, 204) and b'"error"' not in body
        if not good:
            raise Refused(f"A request of the kind {name!r} was answered {status} {body[:200]!r}.")


def _figures(
    spent: dict[str, float], used: dict[str, float], count: int
) -> Iterator[tuple[str, float, str]]:
    """Turn seconds into rates and ratios; of the two channels the worse one counts."""
    rate = {name: count / seconds for name, seconds in spent.items()}
    for name, value in rate.items():
        yield f"{name.replace(' ', '_')}_per_second", round(value, 1), "1/s"
    for name, seconds in used.items():
        yield f"{name.replace(' ', '_')}_cpu", round(seconds / count * 1000, 2), "ms"
    taken = {name: rate[f"{name} valid"] / rate["demo"] for name in CHANNELS}
    refused = {name: rate[f"{name} forged"] / rate["empty"] for name in CHANNELS}
    cheaper = {name: rate[f"{name} forged"] / rate[f"{name} valid"] for name in CHANNELS}
    for figure, ratios in (
        ("notifications_ratio", taken),
        ("forged_ratio", refused),
        ("forged_to_valid_ratio", cheaper),
    ):
        for name, value in ratios.items():
            yield f"{name}_{figure}", round(value, 2), "x"
        yield figure, round(min(ratios.values()), 2), "x"


def _bills(
    stage: Stage, stack: Stack, running: dict[str, Gateway]
) -> Iterator[tuple[str, float, str]]:
    """Have each channel read a bill of many lines, in a process of its own."""
    day = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)).date()
    merchants = {"wechatpay": providers.WECHATPAY["mchid"], "alipay": providers.ALIPAY["app_id"]}
    longest = largest = 0.0
    for name, gateway in running.items():
        order = {"merchant": merchants[name], "day": day.isoformat(), "lines": LINES}
        gateway.control("bills", order)
        printed = stage.odoo.script(
            stack.database,
            _READ.format(code=CHANNELS[name], method=BILLS[name], day=day),
            fails=f"The bill of {name} cannot be read",
            log=stage.logs / "bench-payments-bill.log",
        )
        rows, seconds, used, peak, added = map(float, printed.partition("READ ")[2].split()[:5])
        if rows < LINES:
            raise Refused(f"{rows:.0f} of {LINES} lines of the bill of {name} were read.")
        yield f"{name}_bill_file_seconds", round(seconds, 2), "s"
        yield f"{name}_bill_file_cpu", round(used, 2), "s"
        yield f"{name}_bill_file_added_memory", round(added, 1), "MB"
        yield f"{name}_bill_file_peak_memory", round(peak, 1), "MB"
        longest, largest = max(longest, seconds), max(largest, peak)
    yield "bill_file_seconds", round(longest, 2), "s"
    yield "bill_file_peak_memory", round(largest, 1), "MB"

"""A company that sells by WeChat Pay and Alipay: Odoo with two databases, simulated gateways."""

import contextlib
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from house import gateways, providers
from house.gateways import Gateway
from house.settings import free_port
from house.stack import Stack
from house.stage import Stage
from odoo_client import OdooClient, OdooError
from served import Served
from waiting import eventually

# Odoo's provider of each simulator, and the payment method that it offers.
PROVIDERS = {"wechatpay": ("wechatpay", "wechat_pay"), "alipay": ("alipay_cn", "alipay")}
PAYER = "driver"
# Accounts of the demonstration's chart: 应收账款, the bank's outstanding receipts and payments.
RECEIVABLE, BANK = "112200", "100202"


class Entry(NamedTuple):
    """One line of a journal entry: account, debit and credit in fen."""

    account: str
    debit: int
    credit: int


class Branch(Served):
    """One database of the shop, under a host name of its own."""

    def __init__(self, stage: Stage, name: str, url: str):
        super().__init__(stage, name, url)
        with stage.server.connect(name) as connection:
            connection.execute(
                "UPDATE ir_config_parameter SET value = %s WHERE key = 'web.base.url'", (url,)
            )
            # In a new database everything is due: what is triggered would have to wait for it.
            connection.execute("UPDATE ir_cron SET nextcall = now() + interval '1 day'")

    @cached_property
    def staff(self) -> OdooClient:
        """Somebody who may do anything."""
        return self.client("admin")

    @cached_property
    def customer(self) -> OdooClient:
        """Who pays on the portal."""
        return self.client(PAYER)

    def invoice(self, fen: int) -> tuple[int, str]:
        """Post an invoice to the payer; return its id and its page on the portal."""
        partner = self.value("SELECT partner_id FROM res_users WHERE login = %s", PAYER)
        line = {"name": "充电桩年费 {A&B}", "quantity": 1, "price_unit": fen / 100, "tax_ids": []}
        invoice = self.staff.call(
            "account.move",
            "create",
            {
                "move_type": "out_invoice",
                "partner_id": partner,
                "invoice_line_ids": [(0, 0, line)],
            },
        )
        self.staff.call("account.move", "action_post", [invoice])
        return invoice, self.staff.call("account.move", "get_portal_url", [invoice])

    def transaction(self, invoice: int) -> tuple[int, str]:
        """Return the id and the reference of an invoice's newest payment."""
        return self.rows(
            """SELECT t.id, t.reference FROM payment_transaction t
                 JOIN account_invoice_transaction_rel r ON r.transaction_id = t.id
                WHERE r.invoice_id = %s ORDER BY t.id DESC LIMIT 1""",
            invoice,
        )[0]

    def state(self, transaction: int) -> str:
        """Return how a payment stands."""
        return self.value("SELECT state FROM payment_transaction WHERE id = %s", transaction)

    def wait_paid(self, invoice: int) -> None:
        """Wait until an invoice is paid."""

        def paid() -> bool:
            state = self.value("SELECT payment_state FROM account_move WHERE id = %s", invoice)
            return state in ("paid", "in_payment")

        eventually(paid, lambda: f"invoice {invoice} paid: {self.payments_of(invoice)}")

    def payments_of(self, invoice: int) -> list[tuple]:
        """Return reference, state and message of all payments of an invoice."""
        return self.rows(
            """SELECT t.reference, t.state, t.state_message FROM payment_transaction t
                 JOIN account_invoice_transaction_rel r ON r.transaction_id = t.id
                WHERE r.invoice_id = %s ORDER BY t.id""",
            invoice,
        )

    def entries(self, transaction: int) -> list[Entry]:
        """Return the journal entries that a payment or refund has made, in fen."""
        lines = self.rows(
            """SELECT a.code_store ->> l.company_id::text, l.debit, l.credit
                 FROM account_payment p JOIN account_move m ON m.id = p.move_id
                 JOIN account_move_line l ON l.move_id = m.id
                 JOIN account_account a ON a.id = l.account_id
                WHERE p.payment_transaction_id = %s AND m.state = 'posted' ORDER BY 1, 2""",
            transaction,
        )
        return [Entry(code, fen(debit), fen(credit)) for code, debit, credit in lines]

    def poll(self) -> None:
        """Ask for the payment's status, as Odoo's page does; this books a payment that is done.

        The page asks again where it is told to, since booking met another transaction.
        """

        def told() -> bool:
            try:
                return bool(self.customer.rpc("/payment/status/poll"))
            except OdooError as error:
                if str(error) != "retry":
                    raise
                return False

        eventually(told, "the payment's status is told")

    def refund(self, transaction: int, fen: int) -> None:
        """Refund a part of a payment, as staff do with Odoo's wizard."""
        payment = self.value(
            "SELECT id FROM account_payment WHERE payment_transaction_id = %s", transaction
        )
        wizard = self.staff.call(
            "payment.refund.wizard",
            "create",
            {"payment_id": payment, "amount_to_refund": fen / 100},
        )
        self.staff.call("payment.refund.wizard", "action_refund", [wizard])

    def refunds(self, transaction: int) -> list[int]:
        """Return the ids of a payment's refunds."""
        rows = self.rows(
            """SELECT id FROM payment_transaction
                WHERE source_transaction_id = %s AND operation = 'refund' ORDER BY id""",
            transaction,
        )
        return [number for (number,) in rows]

    def wait_entries(self, transaction: int, wanted: list[Entry]) -> None:
        """Wait until a payment or refund is booked so; its scheduled action runs beside us.

        Odoo leaves what met another transaction to the action's next round: here that comes soon.
        """

        def booked() -> bool:
            return self.entries(transaction) == wanted

        with contextlib.suppress(AssertionError):
            eventually(booked, "the action that was triggered for it", 15)
        if not booked():
            action = self.value(
                "SELECT res_id FROM ir_model_data WHERE module = 'payment'"
                " AND name = 'cron_post_process_payment_tx'"
            )
            self.staff.call("ir.cron", "method_direct_trigger", [action])
        eventually(
            booked,
            lambda: f"{wanted}, but: {self.state(transaction)}, {self.entries(transaction)}",
        )

    def provider(self, name: str) -> int:
        """Return the id of the provider that a simulator stands behind."""
        code, _ = PROVIDERS[name]
        return self.value(
            "SELECT id FROM payment_provider WHERE code = %s AND state = 'test'", code
        )

    def begin(self, name: str, fen: int) -> tuple[int, int, str]:
        """Invoice an amount and begin to pay it, as the portal's pages do; the order is placed.

        Returns the invoice's id, the payment's id and its reference.
        """
        invoice, path = self.invoice(fen)
        _, method = PROVIDERS[name]
        values = self.customer.rpc(
            f"/invoice/transaction/{invoice}",
            access_token=re.search(r"access_token=([^&]+)", path)[1],
            provider_id=self.provider(name),
            payment_method_id=self.value("SELECT id FROM payment_method WHERE code = %s", method),
            token_id=None,
            amount=fen / 100,
            flow="redirect",
            tokenization_requested=False,
            landing_route="/my/invoices",
        )
        self.customer.follow(values["redirect_form_html"])
        return invoice, *self.transaction(invoice)


class Shop:
    """The server, its two databases, and the gateways; everything in it may be disturbed."""

    def __init__(self, stage: Stage, name: str):
        self.stage = stage
        self.name = name
        self.gateways: dict[str, Gateway] = {}
        self.branches: list[Branch] = []

    def __enter__(self) -> "Shop":
        # The part of a database's name behind the prefix is the host that serves it.
        names = [f"{self.name}_127", f"{self.name}_localhost"]
        port = free_port()
        self.stage.clone(names[0])
        self.stack = Stack(self.stage.odoo, names[0], http_port=port, logs=self.stage.logs)
        try:
            for name in gateways.NAMES:
                self.gateways[name] = gateways.start(self.stack, name)
            providers.set_up(self.stack, self.gateways.values())
            self.stage.clone(names[1], names[0])
            self.branches = [
                Branch(self.stage, name, f"http://{host}:{port}")
                for name, host in zip(names, ("127.0.0.1", "localhost"), strict=True)
            ]
            self.odoo = self.stack.start_odoo(
                f"--database={','.join(names)}",
                f"--db-filter=^{self.name}_%d$",
                "--max-cron-threads=1",
            )
        except BaseException:
            self.stack.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for branch in self.branches:
            branch.close_clients()
        self.stack.stop()
        for branch in self.branches:
            self.stage.databases.drop(branch.name)

    def order(self, name: str, reference: str) -> dict:
        """Return an order as its gateway knows it."""
        return self.gateways[name].control(f"orders/{reference}")

    def secrets(self) -> list[str]:
        """Give what must never be read in a log, in pieces short enough for a broken line."""
        found = []
        for file in self.stage.odoo.secrets_dir.iterdir():
            lines = [line for line in file.read_text().splitlines() if "-----" not in line]
            found += [line[:40] for line in lines if len(line) >= 32]
        return found

    def logs(self) -> dict[str, str]:
        """Give the logs of all processes."""
        files = self.stage.logs.glob(f"*{self.name}*.log")
        return {file.name: file.read_text(errors="replace") for file in files}


def at_once(*work: Callable[[], object]) -> list:
    """Do several things at the same instant, each in a thread; return what each returned."""
    start = threading.Barrier(len(work))
    with ThreadPoolExecutor(len(work)) as pool:

        def do(one: Callable[[], object]) -> object:
            start.wait(10)
            return one()

        return [future.result() for future in [pool.submit(do, one) for one in work]]


def fen(amount: float | Decimal) -> int:
    """Turn an amount in yuan into whole fen."""
    return int((Decimal(str(amount)) * 100).to_integral_value())

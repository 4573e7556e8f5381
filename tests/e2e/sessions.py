"""What a driver does on the portal, and what became of the session, in the database's words."""

from typing import NamedTuple

from network import Network
from waiting import eventually

LIVE = ("authorised", "starting", "charging", "stopping")


class Session(NamedTuple):
    """The row of a session, as far as tests look at it."""

    state: str
    end_reason: str | None
    start_register: int | None
    end_register: int | None
    measured_register: int | None
    energy_wh: int | None
    unit_wh: int
    billed_register_limit: int | None
    flag_silent: bool | None
    flag_capped: bool | None
    end_message: str | None


class Driver:
    """A person with a phone: starts and stops on the portal's pages."""

    def __init__(self, network: Network, login: str, password: str | None = None):
        self.network = network
        self.client = network.client(login, password)

    def start(self, pile: str) -> int:
        """Start at a pile and return the session's id once energy flows."""
        session = self.ask_start(pile)
        wait_for(self.network, session, "charging")
        eventually(
            lambda: self.network.meter_state(pile)["power"] > 0, f"the car at {pile} takes power"
        )
        return session

    def ask_start(self, pile: str) -> int:
        """Open the page of a free pile, press start, and return the session's id."""
        self.wait_until_free(pile)
        return self.press_start(pile)

    def wait_until_free(self, pile: str) -> None:
        """Wait until the page of a pile offers to start."""
        page = f"/charging/p/{pile}"
        eventually(
            lambda: f'action="{page}/start"' in self.client.page(page).text,
            f"{pile} can be started",
        )

    def press_start(self, pile: str) -> int:
        """Press start on a page that is open already, and return the session's id."""
        page = f"/charging/p/{pile}"
        answer = self.client.submit(page, f"{page}/start")
        assert answer.ok, answer.text
        return int(answer.url.rstrip("/").rpartition("/")[2])

    def stop(self, session: int) -> Session:
        """Press stop and return the ended session."""
        page = f"/my/charging/{session}"
        answer = self.client.submit(page, f"{page}/stop")
        assert answer.ok, answer.text
        return wait_for(self.network, session, "finished")


def look(network: Network, session: int) -> Session:
    """Return a session as it stands."""
    names = ", ".join(Session._fields)
    return Session(*network.rows(f"SELECT {names} FROM acrel_session WHERE id = %s", session)[0])


def wait_for(network: Network, session: int, *states: str, seconds: float = 30) -> Session:
    """Wait until a session is in one of some states."""

    def there() -> Session | None:
        found = look(network, session)
        return found if found.state in states else None

    return eventually(there, lambda: f"{states}, but: {look(network, session)}", seconds)


def grows(network: Network, session: int, by_wh: int = 50, seconds: float = 30) -> int:
    """Wait until the live energy of a session has grown; return it in Wh."""

    def now() -> int:
        query = "SELECT wh FROM acrel_session_live WHERE session_id = %s"
        return network.value(query, session) or 0

    goal = now() + by_wh
    eventually(
        lambda: now() >= goal, lambda: f"{goal} Wh in session {session}, now {now()}", seconds
    )
    return now()


def measured_since(network: Network, pile: str, register: int) -> int:
    """Return how many counts the meter of a pile has grown by since `register`."""
    return network.meter_state(pile)["register"] - register


def check_money(network: Network, session: int) -> int:
    """Check a session's bill against its registers and its wallet entry; return the gross in fen.

    Each line = half-up(Wh / 1000 x price) to the fen; the lines' Wh are the register difference.
    """
    found = look(network, session)
    lines = network.rows(
        """SELECT l.fee_kind, l.energy_wh, l.price, l.gross_fen FROM acrel_bill_line l
           JOIN acrel_bill b ON b.id = l.bill_id WHERE l.session_id = %s AND b.state = 'posted'""",
        session,
    )
    metered = (found.end_register - found.start_register) * found.unit_wh
    assert sum(wh for fee, wh, *_ in lines if fee == "electricity") == metered == found.energy_wh
    for _fee, wh, price, gross in lines:
        # price has four decimals: work in 1/10000 yuan a kWh, so that half a fen is exact
        exact = wh * round(price * 10_000)  # in 1/10,000,000 yuan
        assert gross == (exact + 50_000) // 100_000
    total = sum(gross for *_, gross in lines)
    charged = network.value(
        """SELECT -sum(e.amount_fen) FROM acrel_wallet_entry e JOIN acrel_wallet_hold h
           ON h.wallet_id = e.wallet_id AND h.session_id = %s
           WHERE e.kind = 'charge' AND e.bill_id IN
                 (SELECT bill_id FROM acrel_bill_line WHERE session_id = %s)""",
        session,
        session,
    )
    assert (charged or 0) == total
    return total

"""Makes the people of the tests, with the means of the back office."""

from network import Network
from sessions import Driver


def driver_with(network: Network, login: str, fen: int) -> Driver:
    """Make a portal user whose wallet holds some fen, paid in cash at the desk; log him in."""
    admin = network.client("admin")
    _, portal = admin.call("ir.model.data", "check_object_reference", "base", "group_portal")
    user = admin.call(
        "res.users",
        "create",
        {"name": login, "login": login, "password": login, "group_ids": [(6, 0, [portal])]},
    )
    (record,) = admin.read("res.users", [user], "partner_id")
    (journal, *_) = admin.search("account.journal", [("type", "in", ("bank", "cash"))])
    desk = admin.call(
        "acrel.wallet.operation",
        "create",
        {"partner_id": record["partner_id"][0], "amount": fen / 100, "journal_id": journal},
    )
    admin.call("acrel.wallet.operation", "action_apply", [desk])
    return Driver(network, login)

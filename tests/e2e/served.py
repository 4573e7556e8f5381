"""One database of the tests: what it says, and the people who log in to it."""

from house.stage import Stage
from odoo_client import OdooClient


class Served:
    """A database that some Odoo server serves at an address."""

    def __init__(self, stage: Stage, name: str, url: str = ""):
        self.stage = stage
        self.name = name
        self.url = url
        self.clients: list[OdooClient] = []

    def rows(self, query: str, *values) -> list[tuple]:
        """Read rows by SQL, as the database's owner."""
        with self.stage.server.connect(self.name) as connection:
            return connection.execute(query, values).fetchall()

    def value(self, query: str, *values):
        """Read one value by SQL; None when there is no row."""
        rows = self.rows(query, *values)
        return rows[0][0] if rows else None

    def execute(self, query: str, *values) -> None:
        """Change something by SQL, as a fault would."""
        with self.stage.server.connect(self.name) as connection:
            connection.execute(query, values)

    def client(self, login: str, password: str | None = None) -> OdooClient:
        """Log a user in; the demonstration's passwords are the logins."""
        client = OdooClient(self.url, self.name, login, password or login)
        self.clients.append(client)
        return client

    def close_clients(self) -> None:
        """Give the connections of all who logged in back."""
        for client in self.clients:
            client.close()

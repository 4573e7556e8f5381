"""Odoo as its users reach it: JSON-RPC as the web client speaks it, and pages with their forms."""

import html
import re
from urllib.parse import urljoin

import requests


class OdooError(AssertionError):
    """The server answered with an error; the message is what a person would have read."""


class OdooClient:
    """One logged-in user."""

    def __init__(self, url: str, database: str, login: str, password: str):
        self.url = url
        self.http = requests.Session()
        self._token: str | None = None
        answer = self.rpc("/web/session/authenticate", db=database, login=login, password=password)
        self.uid = answer["uid"]

    def close(self) -> None:
        """Give the connections back."""
        self.http.close()

    def rpc(self, path: str, **params):
        """Call a JSON route, as a page's script does."""
        body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": params}
        answer = self.http.post(self.url + path, json=body, timeout=60)
        answer.raise_for_status()
        reply = answer.json()
        if "error" in reply:
            raise OdooError(reply["error"]["data"]["message"])
        return reply.get("result")  # a method that returns nothing has none

    def call(self, model: str, method: str, *args, **kwargs):
        """Call a public method of a model, as a button of a form does."""
        return self.rpc(
            f"/web/dataset/call_kw/{model}/{method}",
            model=model,
            method=method,
            args=list(args),
            kwargs=kwargs,
        )

    def read(self, model: str, ids: list[int], *names: str) -> list[dict]:
        """Read fields of records."""
        return self.call(model, "read", ids, list(names))

    def search(self, model: str, domain: list, **options) -> list[int]:
        """Find the ids of records."""
        return self.call(model, "search", domain, **options)

    def page(self, path: str) -> requests.Response:
        """Open a page."""
        return self.http.get(self.url + path, timeout=60)

    def follow(self, form: str) -> requests.Response:
        """Send a form that the page's script would send by itself."""
        action = html.unescape(re.search(r'action="([^"]+)"', form)[1])
        method = re.search(r'method="(\w+)"', form)[1]
        fields = {
            html.unescape(name): html.unescape(value)
            for name, value in re.findall(r'name="([^"]+)"\s+value="([^"]*)"', form)
        }
        how = "params" if method.lower() == "get" else "data"
        return self.http.request(method, urljoin(self.url, action), timeout=60, **{how: fields})

    def submit(self, page: str, action: str, **fields) -> requests.Response:
        """Send a form, with the token of a page that has been open for some time already."""
        if not self._token:
            answer = self.page(page)
            found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
            if not found:
                says = " ".join(
                    re.sub(r"<script.*?</script>|<[^>]+>", " ", answer.text, flags=re.S).split()
                )
                raise OdooError(f"{page} ({answer.status_code}) has no form to send: {says}")
            self._token = found.group(1)
        data = {"csrf_token": self._token, **fields}
        return self.http.post(self.url + action, data=data, timeout=60)

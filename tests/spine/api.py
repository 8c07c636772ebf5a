"""What the tests of the API share: a portal, keys to it, and a receiver of its webhooks."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from portal.accounts import api_keys
from portal.accounts.api_keys import NewKey, Scope
from portal.sandbox import world

PLACE, OTHER = world.DEMO_LOCATIONS[:2]
EVERYTHING = tuple(scope.value for scope in Scope)


def new_key(portal, *scopes, places=(PLACE.id,), company="", **more):
    """A key of these scopes (all of them by default), as its holder knows it."""
    wanted = NewKey(more.pop("name", "a test's"), scopes or EVERYTHING, company, places, **more)
    with portal.database.write() as session:
        return api_keys.create(session, portal.settings.secret_key, wanted, "a test")[1]


class Client:
    """Calls the API over HTTP."""

    def __init__(self, portal, key):
        self.portal, self.key = portal, key

    def __call__(self, method, path, body=None, **headers):
        given = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.portal.url}/api/v1{path}"
        return requests.request(method, url, json=body, headers=given | named, timeout=60)

    def get(self, path):
        said = self("GET", path)
        assert said.status_code == 200, said.text
        return said.json()

    def post(self, path, body, expected=202, **headers):
        said = self("POST", path, body, **headers)
        assert said.status_code == expected, said.text
        return said.json()


class Receiver:
    """A stranger's server: keeps what is posted to it, and answers with what the test says."""

    def __init__(self):
        self.posts, self.status, self.headers = [], 200, {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append((self.path, dict(self.headers), body))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "4")
                self.end_headers()
                self.wfile.write(b"well")

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

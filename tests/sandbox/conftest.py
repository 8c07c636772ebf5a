"""A sandbox on a free port with a clock the tests move, and short ways to call it."""

from collections.abc import Iterator

import pytest
import requests

from portal.sandbox import Sandbox
from portal.sandbox.world import CAST_API_KEY, CLIENT_ID, CLIENT_SECRET, DEMO_COMPANY, DEMO_LOCATIONS

LOCATION, OTHER = DEMO_LOCATIONS[0].id, DEMO_LOCATIONS[1].id


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


class Caller:
    """Calls the stand-ins as a portal would."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False

    def request(self, method: str, path: str, **more: object) -> requests.Response:
        return self.session.request(method, self.sandbox.url + path, timeout=10, **more)

    def code(self, location: str = LOCATION) -> str:
        body = {"location_id": location} if location else {"company_id": DEMO_COMPANY.id}
        return self.request("POST", "/control/codes", json=body).json()["code"]

    def token(self, **form: str) -> requests.Response:
        form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **form}
        return self.request("POST", "/oauth/token", data=form)

    def grant(self, location: str = LOCATION) -> dict:
        return self.token(grant_type="authorization_code", code=self.code(location)).json()

    def refresh(self, token: str) -> requests.Response:
        return self.token(grant_type="refresh_token", refresh_token=token)

    def ghl(self, method: str, path: str, token: str, version: str = "2021-04-15", **more: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}", "Version": version}
        return self.request(method, path, headers=headers, **more)

    def cast(self, text: str = "Hello", key: str = "", to: str = "+639175550101", **more: object) -> requests.Response:
        headers = {"X-API-Key": CAST_API_KEY} | ({"X-Idempotency-Key": key} if key else {})
        body = {"to": to, "message": text, "sender_id": "CEBUDENTAL"}
        return self.request("POST", "/api/v1/sms/send", json=body, headers=headers, **more)

    def cast_status(self, message_id: str) -> dict:
        path = f"/api/v1/sms/status/{message_id}"
        return self.request("GET", path, headers={"X-API-Key": CAST_API_KEY}).json()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    sandbox = Sandbox(clock=clock)
    server = sandbox.serve(port=0)
    yield sandbox
    server.stop()


@pytest.fixture
def call(sandbox: Sandbox) -> Caller:
    return Caller(sandbox)

"""Somebody who opened the custom page inside HighLevel: the handshake, then requests as its script makes them."""

from dataclasses import dataclass
from datetime import timedelta

from flask.testing import FlaskClient

from portal import clock
from portal.database import Database
from portal.models import Grant, GrantKind
from portal.sandbox.ghl.sso import encrypt
from tests.web.conftest import Tenant

SECRET = "the app's shared secret"
HEADER = "X-Sendero-Session"
BOOSTED = {"HX-Request": "true", "HX-Boosted": "true"}


def said(tenant: Tenant, **more: object) -> dict[str, object]:
    """What HighLevel says of an admin inside the tenant's location; None leaves a field out."""
    fields = {
        "userId": "user-anna",
        "companyId": tenant.company,
        "role": "admin",
        "type": "location",
        "activeLocation": tenant.ghl_id,
        "userName": "Anna Example",
        "email": "anna@example.com",
        **more,
    }
    return {name: value for name, value in fields.items() if value is not None}


def sealed(tenant: Tenant, **more: object) -> str:
    return encrypt(said(tenant, **more), SECRET)


def begin(client: FlaskClient, payload: str):
    return client.post("/app/session", data={"payload": payload}, headers={HEADER: ""})


@dataclass
class Framed:
    """The page's script with its token."""

    client: FlaskClient
    token: str

    def get(self, path: str, headers: dict[str, str] | None = None, **more: object):
        return self.client.get(path, headers={HEADER: self.token, **BOOSTED, **(headers or {})}, **more)

    def post(self, path: str, headers: dict[str, str] | None = None, **form: str):
        return self.client.post(path, data=form, headers={HEADER: self.token, **BOOSTED, **(headers or {})})

    def open(self, path: str, method: str, headers: dict[str, str] | None = None, **more: object):
        return self.client.open(path, method=method, headers={HEADER: self.token, **BOOSTED, **(headers or {})}, **more)


def framed(client: FlaskClient, tenant: Tenant, **more: object) -> Framed:
    """Somebody who was let in."""
    answer = begin(client, sealed(tenant, **more))
    assert answer.status_code == 200, answer.text
    return Framed(client, answer.json["token"])


def connect(database: Database, tenant: Tenant) -> None:
    """HighLevel's permission for the tenant's location: until then the first page says that it is missing."""
    moment = clock.now()
    with database.write() as session:
        session.add(
            Grant(
                kind=GrantKind.LOCATION,
                ghl_id=tenant.ghl_id,
                company_id=tenant.company,
                expires_at=moment + timedelta(days=1),
                refreshed_at=moment,
                created_at=moment,
            )
        )

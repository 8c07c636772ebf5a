"""The stand-in HighLevel's page around the custom page."""

import re

import pytest

from portal.ghl import sso
from portal.sandbox import Sandbox, world

HOME, OTHER = world.DEMO_LOCATIONS


@pytest.fixture
def client():
    return Sandbox(portal_url="http://127.0.0.1:9").app.test_client()


def told(client, **query: str) -> sso.SsoUser:
    answer = client.get("/highlevel/sign-in", query_string=query)
    return sso.decrypt(answer.json["payload"], world.SHARED_SECRET)


def test_it_frames_the_portal_on_another_origin(client) -> None:
    page = client.get(f"/highlevel?location={OTHER.id}&who=user")
    address = re.search(r'<iframe[^>]*src="([^"]+)"', page.text)[1]
    assert address == f"http://127.0.0.1:9/app/whatsapp?location={OTHER.id}"
    assert "frame-src http://127.0.0.1:9;" in page.headers["Content-Security-Policy"]
    assert f'href="/highlevel?location={HOME.id}"' in client.get("/").text
    assert client.get("/highlevel?who=stranger").status_code == 404


def test_what_it_says_of_who_is_signed_in(client) -> None:
    admin = told(client, who="admin")
    assert (admin.role, admin.type, admin.active_location) == ("admin", "location", HOME.id)
    assert admin.company_id == world.DEMO_COMPANY.id
    assert told(client, who="user", location=OTHER.id).active_location == OTHER.id
    assert told(client, who="agency").type == "agency"
    assert told(client, who="agency-list").active_location == ""
    assert client.get("/highlevel/sign-in?who=nobody").status_code == 404


def test_it_never_says_the_same_twice(client) -> None:
    """As CryptoJS does: every answer has a salt of its own."""
    first, second = (client.get("/highlevel/sign-in").json["payload"] for _ in range(2))
    assert first != second and first.startswith("U2FsdGVkX1")

"""Tenants do not meet: an owner sees their own, a stranger gets 404 on every address, the operator sees all."""

import pytest
from flask.testing import FlaskClient

from portal.alerts.notices import CHOOSE_DEFAULT, PARKED, raise_alert
from portal.models import Alert
from portal.queue import gates
from tests.web.conftest import post, record


@pytest.fixture
def addresses(database, acme, queue) -> list[str]:
    """Pages that hold something of Acme's."""
    message = queue(acme)
    event = record(database, f"ghl:{acme.ghl_id}:contact")
    by_provider = record(database, "simulator:x", source="simulator", sender_key=acme.sender_key)
    return [
        f"/admin/messages/{message.uuid}",
        f"/admin/messages?location={acme.ghl_id}",
        f"/admin/events/{event.id}",
        f"/admin/events/{by_provider.id}",
    ]


def test_the_owner_and_the_operator_see_it(addresses, acme, signed_in) -> None:
    for client in (signed_in(acme.agency), signed_in()):
        assert [client.get(address).status_code for address in addresses] == [200] * len(addresses)


def test_a_stranger_does_not(addresses, rival, signed_in) -> None:
    client = signed_in(rival.agency)
    for address in addresses:
        assert client.get(address).status_code == 404
        assert client.get(address, headers={"HX-Request": "true"}).status_code == 404


def test_a_stranger_changes_nothing(database, acme, rival, queue, signed_in) -> None:
    message = queue(acme)
    event = record(database, f"ghl:{acme.ghl_id}:contact")
    with database.write() as session:
        raise_alert(session, CHOOSE_DEFAULT, acme.ghl_id, "Choose.", acme.location)
    client = signed_in(rival.agency)
    for path in (
        f"/admin/messages/{message.uuid}/cancel",
        f"/admin/locations/{acme.location}/release",
        f"/admin/events/{event.id}/replay",
        "/admin/alerts/1/close",
    ):
        assert post(client, path).status_code == 404
    with database.read() as session:
        assert session.get_one(Alert, 1).closed_at is None


def pages(client: FlaskClient) -> str:
    return "".join(client.get(path).text for path in ("/admin", "/admin/messages", "/admin/events"))


def test_lists_hold_only_ones_own(database, acme, rival, queue, signed_in) -> None:
    ours, theirs = queue(acme, "Our text"), queue(rival, "Their text")
    record(database, "ghl", note="Forged", verified=False)
    with database.write() as session:
        raise_alert(session, CHOOSE_DEFAULT, acme.ghl_id, "Acme must choose", acme.location)
        raise_alert(session, CHOOSE_DEFAULT, rival.ghl_id, "Rival must choose", rival.location)
        raise_alert(session, PARKED, "ghl", "A stray webhook")
        for tenant in (acme, rival):
            gates.block(session, gates.sender_gate(tenant.sender), f"fault of {tenant.ghl_id}", seconds=60)
            gates.block(session, gates.ghl_gate(tenant.location), f"limit of {tenant.ghl_id}", seconds=60)
    seen = pages(signed_in(acme.agency))
    assert all(text in seen for text in ("Our text", "Acme must choose", "fault of location-Acme", "Acme line"))
    assert ours.uuid in seen
    for foreign in ("Their text", theirs.uuid, "Rival", "Forged", "A stray webhook"):
        assert foreign not in seen
    everything = pages(signed_in())
    assert all(text in everything for text in ("Our text", "Their text", "Forged", "A stray webhook", "Rival line"))


def test_a_location_whose_id_looks_like_anothers(database, acme, signed_in) -> None:
    """A prefix or a wildcard in an id must open nothing."""
    strange = [
        record(database, f"ghl:{place}:contact").id for place in ("location_Acme", "location-Acm", "location-Acme2", "")
    ]
    client = signed_in(acme.agency)
    assert [client.get(f"/admin/events/{each}").status_code for each in strange] == [404] * 4


def test_the_queue_and_the_spool_are_the_operators(acme, queue, signed_in) -> None:
    queue(acme)
    assert "spool" in signed_in().get("/admin").text
    assert "spool" not in signed_in(acme.agency).get("/admin").text

"""The portal asks others about itself: HighLevel, once, to hand a message back; its own address, who answers there."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from portal.errors import InvalidInput
from portal.ghl.errors import GhlError
from portal.messaging import round_trip
from portal.models import Location
from portal.web.pages import asking
from tests.portal import PLACE

BOTH_ENGINES = True


def test_only_this_portal_proves_that_its_address_leads_here(portal, sandbox) -> None:
    def ask(url: str, secret: str):
        return asking.own_address(SimpleNamespace(settings=SimpleNamespace(app_url=url, secret_key=secret)))

    own = portal.settings.secret_key
    assert ask(portal.url, own).state == "inside only"
    assert ask(portal.url, "another portal's secret").state == "leads elsewhere"
    assert ask(sandbox.url, own).state == "leads elsewhere"
    assert ask("http://127.0.0.1:1", own).state == "no answer"


def test_highlevel_is_asked_once(portal, sandbox) -> None:
    with portal.session() as session:
        place = session.scalars(select(Location).where(Location.ghl_id == PLACE.id)).one()
    way = round_trip.Way(portal.database, portal.parts.tokens, portal.settings, portal.parts.http)
    wanted = round_trip.Wanted("0917 000 0068", "Round and round", "anna", "one key")
    asked = round_trip.begin(way, place, wanted)
    assert round_trip.begin(way, place, wanted) == asked
    sent = [each for each in sandbox.ghl.mailbox.messages(direction="outbound") if each.text == "Round and round"]
    assert [each.id for each in sent] == [asked]
    sandbox.faults.arm("ghl.send_message", "reset_after")
    other = replace(wanted, key="another")
    with pytest.raises(GhlError):
        round_trip.begin(way, place, other)
    with pytest.raises(InvalidInput, match="may have taken it"):
        round_trip.begin(way, place, other)

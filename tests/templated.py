"""A channel whose provider keeps templates, and that provider on loopback: for what the portal does with templates."""

from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
import pytest
import requests

from portal.channels import registry
from portal.channels.base import CredentialField, Family, Inbound, Probe
from portal.channels.capabilities import Template
from portal.channels.content import AddressKind, Kind, Limits
from portal.channels.simulator.client import Simulator
from portal.installations.lifecycle import ensure_location
from portal.messaging import senders
from tests import linked, pretend
from tests.portal import PLACE

BODY = {"type": "BODY", "text": "Hi {{1}}, we see you on *{{2}}*.", "example": {"body_text": [["Ana", "Monday"]]}}
HELLO = {"type": "BODY", "text": "Hello, may we write to you?"}
OFFER = [
    {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["https://pictures.example/offer.jpg"]}},
    {"type": "BODY", "text": "Only for you, {{first_name}}."},
    {"type": "FOOTER", "text": "Reply STOP to hear no more"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Yes"},
            {
                "type": "URL",
                "text": "Look",
                "url": "https://shop.example/o/{{1}}",
                "example": ["https://shop.example/o/7"],
            },
        ],
    },
]


def said(name: str, *components: dict, language: str = "en", status: str = "APPROVED", **more) -> dict:
    """A template as the provider lists it."""
    fields = {"external_id": f"id-{name}", "category": "UTILITY", "components": list(components)}
    return {"name": name, "language": language, "status": status, **fields, **more}


@dataclass
class Provider(linked.Provider):
    """It lists `listed`, and takes every message."""

    listed: list[dict] = field(default_factory=lambda: [said("hello", HELLO), said("visit", BODY)])

    def templates(self, _said: dict) -> dict:
        return {"data": self.listed}


class Templated(Simulator):
    """Speaks to that provider."""

    kind = "templated"
    name = "Templated WhatsApp"
    family = Family.WHATSAPP
    fields = (CredentialField("token", "Token", secret=True),)
    polls = False
    kinds = frozenset({Kind.LOCATION, Kind.BUTTONS, Kind.LIST, Kind.TEMPLATE, Kind.REACTION})
    quotes = True
    limits = Limits(text=4096, caption=1024)
    window = timedelta(hours=24)
    address_kinds = (AddressKind.PHONE,)
    _call = linked.Linked._call
    send = linked.Linked.send
    verify, lane, parse = pretend.Pretend.verify, pretend.Pretend.lane, pretend.Pretend.parse

    def status(self, http, account, external_id):
        return None

    def probe(self, http, account):
        return Probe(True, "It is there.")

    def templates(self, http, account):
        return [Template(**each) for each in self._call(http, account, "templates")["data"]]


def hear(portal, sender_id: int, said: Inbound) -> None:
    """A customer writes to it."""
    url = f"{portal.url}/webhooks/sms/templated/{portal.sender_key(sender_id)}/receive"
    assert requests.post(url, data=msgspec.json.encode(said), timeout=60).status_code == 200


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Templated()
    monkeypatch.setitem(registry._BY_KIND, channel.kind, channel)
    monkeypatch.setattr(registry, "_CHANNELS", (*registry._CHANNELS, channel))


def add_sender(portal, provider: Provider, place=PLACE, name: str = "Front desk", **more) -> int:
    """A sender of it; its templates have not been asked for yet."""
    wanted = senders.NewSender("templated", name, {"token": "hush"}, provider.url, operator=True, **more)
    with portal.database.write() as session:
        return senders.add(session, portal.parts.vault, ensure_location(session, place.id), wanted).id

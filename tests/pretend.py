"""A WhatsApp channel for tests: its webhooks are our own values as JSON, and its calls do as they are told."""

import itertools
from contextlib import contextmanager

import msgspec
import requests
from sqlalchemy import select

from portal.channels import registry
from portal.channels.base import Accepted, ChannelError, Family, Inbound, Probe, Receipt
from portal.channels.content import About
from portal.models import Message, Sender
from portal.web.webhooks import sms
from tests.hand import settle, work

ANNA, BEN, LID, GROUP = "+4915112345678", "+4915187654321", "120650379300963", "120363001122334455@g.us"
_numbers = itertools.count(1)


class Pretend:
    """Each call takes the next of `outcomes`; without one it is accepted."""

    kind = "pretend"
    name = "Pretend WhatsApp"
    family = Family.WHATSAPP
    fields = ()
    idempotent = False
    polls = False
    separate_attachments = True
    confirms_delivery = True
    calls_back = True

    def __init__(self) -> None:
        self.outcomes = []
        self.sent = []

    def send(self, http, account, part):
        self.sent.append(part)
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted(f"out-{next(_numbers)}")
        if callable(outcome):
            outcome = outcome(part)
        if isinstance(outcome, ChannelError):
            raise outcome
        return outcome

    def status(self, http, account, external_id):
        return None

    def probe(self, http, account):
        return Probe(True, "It pretends.")

    def verify(self, account, request):
        return True

    def lane(self, request):
        try:
            return msgspec.json.decode(request.body).get("sender", "")
        except msgspec.DecodeError:
            return ""

    def parse(self, request):
        return [msgspec.json.decode(request.body, type=Inbound if request.action == "receive" else Receipt)]

    def answer(self, request):
        return "OK", "text/plain"


@contextmanager
def registered():
    """The channel, known to the portal inside the block."""
    channel = Pretend()
    before = dict(registry._BY_KIND)
    registry._BY_KIND[channel.kind] = channel
    try:
        yield channel
    finally:
        registry._BY_KIND.clear()
        registry._BY_KIND.update(before)
        sms.sender_keys._kept.clear()


def post(portal, key: str, said: Inbound | Receipt) -> None:
    """The provider's webhook."""
    action = "receive" if isinstance(said, Inbound) else "status"
    url = f"{portal.url}/webhooks/sms/pretend/{key}/{action}"
    assert requests.post(url, data=msgspec.json.encode(said), timeout=60).status_code == 200


class Line:
    """A portal with one WhatsApp sender, whose worker is the test, and helpers that look at what came of it."""

    def __init__(self, portal, time, channel) -> None:
        self.portal, self.time, self.channel = portal, time, channel
        self.sender = portal.add_sender("pretend", name="the line")
        self.key = portal.sender_key(self.sender)

    def hear(self, text="", external_id="", **said) -> None:
        said = {"sender": ANNA, "name": "Anna"} | said
        post(self.portal, self.key, Inbound(text=text, external_id=external_id, **said))

    def about(self, relation, external_id, kind, text="", own_id="", **said) -> None:
        own_id = own_id or f"{kind.value}-{external_id}"
        self.hear(text, own_id, kind=kind, about=About(relation, external_id), **said)

    def receipt(self, external_id, outcome) -> None:
        post(self.portal, self.key, Receipt(external_id, outcome))

    def address_it(self, sender_id: int, address: str) -> None:
        """Gives a sender the address that its provider knows it by."""
        with self.portal.database.write() as session:
            session.get_one(Sender, sender_id).address = address

    def settle(self) -> None:
        settle(self.portal, self.time)

    def apply(self) -> None:
        while work(self.portal, "apply"):
            pass

    def rows(self, *where):
        with self.portal.session() as session:
            return list(session.scalars(select(Message).where(*where).order_by(Message.position, Message.id)))

    def row(self, external_id) -> Message:
        (found,) = self.rows(Message.external_id == external_id)
        return found

    def shown(self, direction=""):
        return [each.text for each in self.portal.sandbox.ghl.mailbox.messages(direction=direction)]

    def everything(self, model):
        with self.portal.session() as session:
            return list(session.scalars(select(model).order_by(model.id)))

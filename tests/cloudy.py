"""A WhatsApp channel whose senders share one app, for tests: a request is a list of our own values as JSON."""

import hashlib
import hmac
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import msgspec
import requests
from sqlalchemy import delete, select, update

from portal.channels import registry
from portal.channels.base import (
    ChannelError,
    CredentialField,
    Family,
    Inbound,
    Preference,
    Receipt,
    TemplateNotice,
    Unread,
)
from portal.channels.capabilities import Template
from portal.channels.content import AddressKind, Content, Kind
from portal.messaging import contacts, templates
from portal.messaging.outbound import Request, queue_message
from portal.models import Event, Job, Location, Message, Sender
from portal.web.webhooks.app import app_senders
from portal.web.webhooks.intake import evidence
from tests.hand import work
from tests.portal import PLACE
from tests.pretend import Line as PretendLine
from tests.pretend import Pretend

APP_SECRET, VERIFY_TOKEN = "the secret of the app of the tests", "the token of the tests"
ANNA, ANNA_ID = "+4915112345678", "DE.1000000000000000001"
VALUES = {"in": Inbound, "receipt": Receipt, "preference": Preference, "template": TemplateNotice, "unread": Unread}


class Cloudy(Pretend):
    """Each item says `to` (a number's id, or `group:…`) and `type`; the rest is the value."""

    kind = "whatsapp_cloud"
    name = "Cloudy WhatsApp"
    fields = (
        CredentialField("phone_number_id", "Phone number id"),
        CredentialField("access_token", "Access token", secret=True),
        CredentialField("waba_id", "Business account id", required=False),
        CredentialField("app_secret", "App secret", secret=True, required=False),
        CredentialField("verify_token", "Verify token", secret=True, required=False),
        CredentialField("mark_read", "Blue ticks", required=False, choices=("replied", "received", "never")),
    )
    family = Family.WHATSAPP
    webhook_path = "whatsapp"
    window = timedelta(hours=24)
    address_kinds = (AddressKind.PHONE, AddressKind.BSUID)
    kinds = frozenset({Kind.TEMPLATE, Kind.LOCATION})
    quotes = True

    def __init__(self):
        super().__init__()
        self.listed = []
        self.read = []
        self.read_faults = []

    def addressed(self, request):
        return next((each for each in self.addressees(request) if not each.startswith("group:")), "")

    def groups(self, credentials):
        return credentials.get("waba_id", "")

    def addressees(self, request):
        return list(dict.fromkeys(item["to"] for item in _items(request) if item["to"]))

    def share(self, request, addressee):
        items = _items(request)
        mine = [item for item in items if item["to"] == addressee]
        if mine == items:
            return request
        return replace(request, body=msgspec.json.encode(mine) if mine or addressee else b"")

    def signed(self, app_secret, request):
        given = request.headers.get("x-hub-signature-256", "")
        return hmac.compare_digest(given, signature(request.body, app_secret))

    def own_app(self, credentials):
        return credentials.get("app_secret", ""), credentials.get("verify_token", "")

    def verify(self, account, request):
        return False

    def lane(self, request):
        return next((item.get("sender", "") for item in _items(request)), "")

    def parse(self, request):
        try:
            items = msgspec.json.decode(request.body)
        except msgspec.DecodeError:
            raise ChannelError("It cannot be read.") from None
        return [_value(item) for item in items]

    def templates(self, http, account):
        return self.listed

    def mark_read(self, http, account, external_id):
        self.read.append(external_id)
        if self.read_faults:
            raise self.read_faults.pop(0)


def _value(item):
    try:
        return msgspec.convert(item, VALUES[item["type"]])
    except (msgspec.ValidationError, KeyError) as error:
        return Unread(f"An item is no message: {error}", item)


def _items(request):
    try:
        items = msgspec.json.decode(request.body)
    except msgspec.DecodeError:
        return []
    return [item for item in items if isinstance(item, dict) and "to" in item] if isinstance(items, list) else []


def signature(body: bytes, secret: str = APP_SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def item(value, to="1001") -> dict:
    (name,) = (name for name, kind in VALUES.items() if isinstance(value, kind))
    return {"to": to, "type": name, **msgspec.to_builtins(value)}


@contextmanager
def registered():
    """The channel in the place of the real one inside the block."""
    channel = Cloudy()
    before, order = dict(registry._BY_KIND), registry._CHANNELS
    registry._BY_KIND[channel.kind] = channel
    registry._CHANNELS = (*(each for each in order if each.kind != channel.kind), channel)
    try:
        yield channel
    finally:
        registry._BY_KIND.clear()
        registry._BY_KIND.update(before)
        registry._CHANNELS = order
        app_senders._kept.clear()
        evidence._recent.clear()


def post(portal, *items, path="whatsapp", body=None, secret=APP_SECRET, sign=True) -> requests.Response:
    raw = msgspec.json.encode(list(items)) if body is None else body
    headers = {"Content-Type": "application/json"}
    if sign:
        headers["X-Hub-Signature-256"] = signature(raw, secret)
    return requests.post(f"{portal.url}/webhooks/{path}", data=raw, headers=headers, timeout=60)


class Line(PretendLine):
    """One sender behind the shared app."""

    def __init__(self, portal, time, channel) -> None:
        self.portal, self.time, self.channel = portal, time, channel
        self.sender = add(portal)
        self.key = portal.sender_key(self.sender)

    def say(self, *values, to="1001") -> None:
        assert post(self.portal, *(item(value, to) for value in values)).status_code == 200
        self.apply()

    def hear(self, text="", external_id="", **said) -> None:
        said = {"sender": ANNA, "name": "Anna", "at": self.time.now()} | said
        assert post(self.portal, item(Inbound(text=text, external_id=external_id, **said))).status_code == 200

    def apply(self) -> None:
        """What has come in came in now, on the clock that the test moves."""
        with self.portal.database.write() as session:
            session.execute(update(Event).where(Event.state == "pending").values(received_at=self.time.now()))
        super().apply()

    def receipt(self, external_id, outcome, **more) -> None:
        assert post(self.portal, item(Receipt(external_id, outcome, **more))).status_code == 200
        self.apply()

    def approve(self, name, category="UTILITY") -> Content:
        """A template of this name, which the provider lists from now on."""
        body = [{"type": "BODY", "text": "Hello"}]
        self.channel.listed.append(Template(name, name, "en", category, "APPROVED", body))
        with self.portal.database.write() as session:
            templates.take_list(session, session.get_one(Sender, self.sender), self.channel.listed)
        return Content(Kind.TEMPLATE, {"name": name, "language": "en", "category": category, "components": []})

    def note(self) -> str:
        return self.portal.events()[-1].note


def add(portal, number="1001", place=PLACE, waba="W1", name="the line", **more) -> int:
    credentials = {"phone_number_id": number, "access_token": "a token of the tests", "waba_id": waba, **more}
    return portal.add_sender("whatsapp_cloud", place=place, name=name, credentials=credentials)


def settle_pool(portal, *pools) -> None:
    while work(portal, *pools):
        pass


def send(line, body="Hello", phone=ANNA, **more) -> Message:
    """Queues a message of a user of HighLevel's, as a delivery does."""
    with line.portal.database.write() as session:
        location = session.scalars(select(Location).order_by(Location.id)).first()
        contact, _ = contacts.for_address(session, location.id, "phone", phone)
        wanted = {"position": 1, "received_at": line.time.now(), "user_id": "u1"} | more
        return queue_message(session, location, Request(contact, phone, body, **wanted))


def delete_jobs(kind):
    return delete(Job).where(Job.kind == kind)

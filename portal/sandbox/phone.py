"""The customer's side of SMS: a text typed here reaches the portal as the inbound webhook of the sender's channel,
the `simulator`'s or that of a stand-in provider. What the portal sends through the simulator goes nowhere, so it is
seen only by its status in GHL.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from portal.sandbox.journeys import Journey
from portal.sandbox.outgoing import LOOPBACK, Answer, Line, post
from portal.sandbox.sms.messages import Written

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox
    from portal.sandbox.sms.provider import SmsProvider

MOST_SENDERS = 1000


@dataclass(frozen=True, slots=True)
class Sender:
    """One of the portal's senders, as it told `/control/senders`. `location` is GHL's id."""

    location: str
    channel: str
    sender_name: str
    webhook_url: str
    number: str = ""


@dataclass(slots=True)
class Text:
    """A text the customer sent, and every answer of the portal to it."""

    id: str
    at: float
    location_id: str
    from_number: str
    to: str
    text: str
    answers: list[Answer] = field(default_factory=list)

    @property
    def taken(self) -> bool:
        """Whether any post of it was answered 2xx."""
        return any(answer.taken for answer in self.answers)


class Phone:
    """Posts what customers type. `copies` is the default that the fault panel changes."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.copies: int = 1
        self.senders: list[Sender] = []

    def register(self, senders: list[Mapping[str, Any]]) -> list[Sender]:
        """Replaces the known senders. Raises `ValueError` for an address that is not on loopback."""
        known = [Sender(**{name: str(one.get(name) or "") for name in Sender.__slots__}) for one in senders]
        for one in known:
            if one.webhook_url and urlsplit(one.webhook_url).hostname not in LOOPBACK:
                raise ValueError(f"{one.sender_name or 'A sender'}'s webhook_url is not on loopback.")
        self.senders = known[:MOST_SENDERS]
        for one in self.senders:
            if one.webhook_url and (provider := self._sandbox.sms.get(one.channel)) is not None:
                # As a person would enter it in the provider's console.
                provider.callback = f"{one.webhook_url.rpartition('/')[0]}/status"
        return self.senders

    def senders_of(self, location_id: str) -> list[Sender]:
        """The location's senders that a customer can write to."""
        return [one for one in self.senders if one.location == location_id and self._hears(one)]

    def learn(self, location_id: str, channel: str, number: str, callback: str) -> None:
        """Who has sent with an address for receipts can be written to: its address for texts is the one beside it."""
        base, _, _ = callback.partition("?")
        url = f"{base.rpartition('/')[0]}/receive" if base.endswith("/status") else ""
        if not url or not location_id or any(one.webhook_url == url for one in self.senders):
            return
        title = self._sandbox.sms[channel].dialect.title
        self.senders = [*self.senders, Sender(location_id, channel, title, url, number)][-MOST_SENDERS:]

    def _hears(self, one: Sender) -> bool:
        if one.channel == "simulator":
            return True
        provider = self._sandbox.sms.get(one.channel)
        return provider is not None and provider.dialect.hears and bool(one.webhook_url)

    def send(
        self,
        text: str,
        *,
        from_number: str,
        sender: Sender | None = None,
        webhook_url: str = "",
        to: str = "",
        text_id: str = "",
        copies: int | None = None,
        line: Line | None = None,
    ) -> Text:
        """Posts the customer's text to a sender's inbound webhook, given by the sender or by its address."""
        sender = sender or next((one for one in self.senders if one.webhook_url == webhook_url), None)
        url = webhook_url or (sender.webhook_url if sender is not None else "")
        if not url:
            raise ValueError("Name a sender or its webhook_url.")
        sandbox = self._sandbox
        sent = Text(
            id=text_id or sandbox.ids.new("text"),
            at=sandbox.clock(),
            location_id=sender.location if sender is not None else "",
            from_number=from_number,
            to=to or (sender.number or sender.sender_name if sender is not None else ""),
            text=text,
        )
        sandbox.texts.append(sent)
        self._begin(sent)
        provider = self._sandbox.sms.get(sender.channel) if sender is not None else None
        if provider is not None:
            self._post_by(provider, sent, url, copies or self.copies)
        else:
            self._post(sent, url, copies or self.copies, line)
        return sent

    def _begin(self, sent: Text) -> None:
        contact = self._sandbox.ghl.directory.find(sent.location_id, sent.from_number)
        journey = Journey(
            sent.id,
            "inbound",
            sent.location_id,
            contact.id if contact is not None else "",
            sent.from_number,
            sent.text,
            sent.at,
        )
        self._sandbox.journeys.begin(journey)
        self._sandbox.journeys.remember(f"phone:{sent.id}", sent.id)

    def _post_by(self, provider: "SmsProvider", sent: Text, url: str, copies: int) -> None:
        written = Written(sent.id, sent.at, sent.from_number, sent.to, sent.text, url)
        journeys = self._sandbox.journeys
        journeys.step(sent.id, "phone", f"{provider.dialect.title} posts the text to the portal")
        sent.answers += provider.write(written, copies)
        for answer in sent.answers:
            journeys.step(sent.id, "portal", answer.words, "good" if answer.taken else "bad")

    def _post(self, sent: Text, url: str, copies: int, line: Line | None) -> None:
        body = json.dumps({"id": sent.id, "from": sent.from_number, "to": sent.to, "text": sent.text}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "sendero-sandbox"}
        journeys = self._sandbox.journeys
        words = "The carrier posts the text to the portal" + (f" {copies} times at once" if copies > 1 else "")
        journeys.step(sent.id, "phone", words, "plain", "duplicate_inbound" if copies > 1 else "")
        if copies == 1:
            sent.answers.append(post(url, body, headers, line))
        else:
            with ThreadPoolExecutor(copies) as pool:
                sent.answers += pool.map(lambda _: post(url, body, headers), range(copies))
        for answer in sent.answers:
            journeys.step(sent.id, "portal", answer.words, "good" if answer.taken else "bad")

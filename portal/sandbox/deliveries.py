"""HighLevel's side of the webhooks: signed deliveries of what an agent typed, and the app's events."""

import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Barrier
from typing import TYPE_CHECKING, Any

from portal.sandbox import webhooks
from portal.sandbox.ghl.mailbox import Message
from portal.sandbox.journeys import Journey
from portal.sandbox.outgoing import Answer, Line
from portal.sandbox.webhooks import Signature
from portal.sandbox.world import DEMO_COMPANY, DEMO_LOCATIONS, PROVIDER_ID, USER_ID, Contact

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

PATH = "/webhooks/ghl"
LONGEST_BACKOFF = 30.0


@dataclass(slots=True)
class Delivery:
    """One message handed to the portal: the message in GHL, what was posted, and every answer."""

    message: Message
    payload: dict[str, Any]
    answers: list[Answer] = field(default_factory=list)

    @property
    def taken(self) -> bool:
        """Whether any post of it was answered 2xx."""
        return any(answer.taken for answer in self.answers)


class Deliveries:
    """Posts webhooks as HighLevel does. `copies` and `signature` are the defaults that the fault panel changes."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.copies: int = 1
        self.signature: Signature = Signature.GOOD

    def send(
        self,
        text: str = "Hello",
        *,
        contact: Contact | None = None,
        message_id: str = "",
        provider_id: str = PROVIDER_ID,
        user_id: str = USER_ID,
        attachments: Sequence[str] = (),
        fields: Mapping[str, Any] | None = None,
        copies: int | None = None,
        signature: Signature | None = None,
        retries: int = 0,
        backoff: float = 0.5,
        line: Line | None = None,
    ) -> Delivery:
        """Writes the message in GHL and posts its delivery.

        `fields` are laid over the payload, None takes a field out. `copies` are posted at once. Anything but 2xx is
        posted again up to `retries` times, `backoff` seconds later, doubled each time, with jitter.
        """
        contact = contact or self._sandbox.ghl.directory.of_location(DEMO_LOCATIONS[0].id)[0]
        mailbox = self._sandbox.ghl.mailbox
        conversation = mailbox.conversation_of(contact.location_id, contact.id)
        message = mailbox.add(
            conversation,
            "outbound",
            "SMS",
            text,
            message_id=message_id,
            attachments=list(attachments),
            provider_id=provider_id,
            user_id=user_id,
            posted_at=self._sandbox.clock(),
        )
        delivery = Delivery(message, webhooks.delivery(message, contact, fields or {}))
        self._begin(message, contact)
        self._post_copies(delivery, copies or self.copies, signature or self.signature, line)
        self._retry(delivery, signature or self.signature, retries, backoff, line)
        return delivery

    def repeat(self, delivery: Delivery, *, copies: int = 1, signature: Signature = Signature.GOOD) -> Delivery:
        """Posts the same delivery again, as HighLevel does when an answer got lost."""
        self._post_copies(delivery, copies, signature, None)
        return delivery

    def send_many(
        self,
        count: int,
        *,
        connections: int = 32,
        text: str = "Message {n}",
        contacts: Sequence[Contact] = (),
        **options: Any,
    ) -> list[Delivery]:
        """Sends that many messages over so many connections, `{n}` counting from 1, to the contacts in turn."""
        to = list(contacts) or self._sandbox.ghl.directory.of_location(DEMO_LOCATIONS[0].id)
        lines: SimpleQueue[Line] = SimpleQueue()
        for _ in range(connections):
            lines.put(Line(self._sandbox.portal_url))

        def one(n: int) -> Delivery:
            line = lines.get()
            try:
                return self.send(text.format(n=n), contact=to[n % len(to)], line=line, **options)
            finally:
                lines.put(line)

        with ThreadPoolExecutor(connections) as pool:
            sent = list(pool.map(one, range(1, count + 1)))
        for _ in range(connections):
            lines.get().close()
        return sent

    def event(self, kind: str, fields: Mapping[str, Any], signature: Signature = Signature.GOOD) -> Answer:
        """Posts an app event (INSTALL, UNINSTALL, OutboundMessage …) in the envelope of live app webhooks."""
        return self._post(webhooks.event(kind, fields), signature, None)

    def install(self, company_id: str = DEMO_COMPANY.id, location_id: str = "", **fields: Any) -> Answer:
        """The INSTALL event of a location, or of a whole agency when no location is named."""
        company = self._sandbox.world.companies.get(company_id)
        shared = {"companyId": company_id, "companyName": company.name if company else "", "userId": USER_ID}
        kind = {"installType": "Location", "locationId": location_id} if location_id else {"installType": "Company"}
        return self.event("INSTALL", {**kind, **shared, **fields})

    def uninstall(self, location_id: str, **fields: Any) -> Answer:
        """The app leaves the location: its tokens die and the UNINSTALL event goes out."""
        self._sandbox.ghl.uninstall(location_id)
        return self.event("UNINSTALL", {"locationId": location_id, **fields})

    def uninstall_company(self, company_id: str = DEMO_COMPANY.id, **fields: Any) -> Answer:
        """The app leaves the whole agency: all its tokens die, and one UNINSTALL event goes out."""
        self._sandbox.ghl.uninstall_company(company_id)
        return self.event("UNINSTALL", {"companyId": company_id, **fields})

    def disturb(self, contact: Contact, settings: dict[str, Any]) -> None:
        """DND of a contact is set, by a person or by the app: an event goes out when that changed anything."""
        if self._sandbox.ghl.directory.disturb(contact, settings):
            self._sandbox.later(lambda: self.contact_event("ContactDndUpdate", contact))

    def contact_event(self, kind: str, contact: Contact, **fields: Any) -> Answer:
        """An event of a contact, with the contact as it is now."""
        first, _, last = contact.name.partition(" ")
        told: dict[str, Any] = {
            "locationId": contact.location_id,
            "id": contact.id,
            "firstName": first,
            "lastName": last,
            "name": contact.name,
            "phone": contact.phone or None,
            "email": contact.email or None,
            "tags": contact.tags,
            "dnd": False,
        }
        if kind == "ContactDndUpdate":
            told["dndSettings"] = {name: dict(setting) for name, setting in contact.dnd.items()}
        return self.event(kind, told | fields)

    def outbound_event(self, message: Message) -> Answer:
        """The OutboundMessage event, which carries the same messageId as the delivery and must not swallow it."""
        return self.event(
            "OutboundMessage",
            {
                "locationId": message.location_id,
                "contactId": message.contact_id,
                "conversationId": message.conversation_id,
                "messageId": message.id,
                "body": message.text,
                "direction": "outbound",
                "messageType": "SMS",
                "source": "app",
                "conversationProviderId": message.provider_id,
            },
        )

    def _begin(self, message: Message, contact: Contact) -> None:
        journey = Journey(
            message.id, "outbound", message.location_id, message.contact_id, contact.phone, message.text, message.at
        )
        self._sandbox.journeys.begin(journey)

    def _post_copies(self, delivery: Delivery, copies: int, signature: Signature, line: Line | None) -> None:
        signed = "wrongly signed" if signature is Signature.BAD else "signed"
        words = f"GHL posts the {signed} delivery" + (f" {copies} times at once" if copies > 1 else "")
        fault = "bad_signature" if signature is Signature.BAD else "duplicate_deliveries" if copies > 1 else ""
        self._sandbox.journeys.step(delivery.message.id, "ghl", words, "plain", fault)
        if copies == 1:
            self._note(delivery, self._post(delivery.payload, signature, line))
            return
        together = Barrier(copies)

        def one(_: int) -> Answer:
            together.wait()
            return self._post(delivery.payload, signature, None)

        with ThreadPoolExecutor(copies) as pool:
            for answer in pool.map(one, range(copies)):
                self._note(delivery, answer)

    def _retry(self, delivery: Delivery, signature: Signature, retries: int, backoff: float, line: Line | None) -> None:
        for turn in range(retries):
            if delivery.taken:
                return
            time.sleep(min(LONGEST_BACKOFF, backoff * 2**turn) * random.uniform(0.5, 1.0))
            self._note(delivery, self._post(delivery.payload, signature, line))

    def _post(self, payload: Mapping[str, Any], signature: Signature, line: Line | None) -> Answer:
        return webhooks.send(self._sandbox.key, self._sandbox.portal_url + PATH, payload, signature, line)

    def _note(self, delivery: Delivery, answer: Answer) -> None:
        delivery.answers.append(answer)
        self._sandbox.journeys.step(delivery.message.id, "portal", answer.words, "good" if answer.taken else "bad")

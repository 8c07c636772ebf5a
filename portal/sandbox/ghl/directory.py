"""The contacts of the stand-in GHL."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from portal.sandbox.world import Contact, Ids, number_key


class Directory:
    """Contacts by id, and by phone or e-mail within a location. Holds the last `keep`."""

    def __init__(self, ids: Ids, clock: Callable[[], float], keep: int, known: Iterable[Contact]) -> None:
        self._ids, self._clock, self._keep = ids, clock, keep
        self._lock = threading.RLock()
        self._contacts: OrderedDict[str, Contact] = OrderedDict((contact.id, contact) for contact in known)
        self._by_phone = {(c.location_id, number_key(c.phone)): c.id for c in self._contacts.values()}

    def get(self, contact_id: str) -> Contact | None:
        """The contact with this id."""
        with self._lock:
            return self._contacts.get(contact_id)

    def of_location(self, location_id: str) -> list[Contact]:
        """The location's contacts, oldest first."""
        with self._lock:
            return [contact for contact in self._contacts.values() if contact.location_id == location_id]

    def find(self, location_id: str, phone: str = "", email: str = "") -> Contact | None:
        """The location's contact with this number or address."""
        with self._lock:
            if phone:
                found = self._contacts.get(self._by_phone.get((location_id, number_key(phone)), ""))
                if found is not None:
                    return found
            same = (c for c in self._contacts.values() if email and c.location_id == location_id and c.email == email)
            return next(same, None)

    def add(self, location_id: str, fields: dict[str, Any]) -> tuple[Contact, bool]:
        """The contact made from HighLevel's field names and True; or the one that was there already and False."""
        with self._lock:
            same = self.find(location_id, str(fields.get("phone") or ""), str(fields.get("email") or ""))
            if same is not None:
                return same, False
            contact = self._made(location_id, fields)
            self._contacts[contact.id] = contact
            if contact.phone:
                self._by_phone[(location_id, number_key(contact.phone))] = contact.id
            while len(self._contacts) > self._keep:
                old = self._contacts.popitem(last=False)[1]
                self._by_phone.pop((old.location_id, number_key(old.phone)), None)
        return contact, True

    def change(self, contact: Contact, fields: dict[str, Any]) -> None:
        """Writes the fields over the contact's; `tags` replaces all its tags, which is why nobody should send them."""
        with self._lock:
            if fields.get("name"):
                contact.name = str(fields["name"])
            if fields.get("email"):
                contact.email = str(fields["email"])
            if "tags" in fields:
                contact.tags = [str(tag) for tag in fields["tags"] or ()]

    def disturb(self, contact: Contact, settings: dict[str, Any]) -> bool:
        """Writes the settings of the channels that are named and keeps the others; True when any state changed."""
        with self._lock:
            before = {name: setting["status"] for name, setting in contact.dnd.items()}
            for name, setting in settings.items():
                contact.dnd[name] = {key: str(setting.get(key) or "") for key in ("status", "message", "code")}
            after = {name: setting["status"] for name, setting in contact.dnd.items()}
        return any(after[name] != before.get(name, "inactive") for name in after)

    def retag(self, contact: Contact, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> list[str]:
        """Adds and takes away tags, keeps the others, and returns them all."""
        gone = set(remove)
        with self._lock:
            contact.tags = [tag for tag in dict.fromkeys([*contact.tags, *add]) if tag not in gone]
            return contact.tags

    def _made(self, location_id: str, fields: dict[str, Any]) -> Contact:
        names = f"{fields.get('firstName') or ''} {fields.get('lastName') or ''}".strip()
        return Contact(
            id=self._ids.new("contact"),
            location_id=location_id,
            name=str(fields.get("name") or names),
            phone=str(fields.get("phone") or ""),
            email=str(fields.get("email") or ""),
            tags=[str(tag) for tag in fields.get("tags") or ()],
            added_at=self._clock(),
        )

"""The demo world: one agency, two locations, their contacts, and the app's keys, the same in every run."""

import hashlib
import itertools
import string
import threading
from dataclasses import dataclass, field

ALPHABET = string.ascii_letters + string.digits

APP_ID = hashlib.sha256(b"sandbox app").hexdigest()[:24]
CLIENT_ID = f"{APP_ID}-sandbox1"
CLIENT_SECRET = "5a4d6f0e-7b1c-4f4e-9d52-0c1e8a7b3f60"
SHARED_SECRET = "b0f7c1d2-3e45-4a6b-8c9d-1f2a3b4c5d6e"
PROVIDER_ID = hashlib.sha256(b"sandbox conversation provider").hexdigest()[:24]
CUSTOM_PROVIDER_ID = hashlib.sha256(b"sandbox extra channel").hexdigest()[:24]
# What the app's use is counted by in its pricing.
METER_ID = hashlib.sha256(b"sandbox billing meter").hexdigest()[:24]
PROVIDER_IDS = (PROVIDER_ID, CUSTOM_PROVIDER_ID)
# The WhatsApp line of the first demo location.
GREEN_INSTANCE, GREEN_NUMBER = "7103000001", "+639171110001"
GREEN_TOKEN = hashlib.sha256(b"sandbox green instance").hexdigest()[:50]
# The WhatsApp Cloud number of the second demo location, and the Meta app that posts for it.
CLOUD_APP, CLOUD_ACCOUNT, CLOUD_NUMBER_ID, CLOUD_NUMBER = (
    "700100000000001",
    "102290129300001",
    "106540352200001",
    "+639171110003",
)
CLOUD_APP_SECRET = hashlib.sha256(b"sandbox meta app").hexdigest()[:32]
CLOUD_VERIFY_TOKEN = hashlib.sha256(b"sandbox meta verify").hexdigest()[:32]
CLOUD_TOKEN = "EAAG" + hashlib.sha256(b"sandbox meta system user").hexdigest()
CAST_API_KEY = "cast_" + hashlib.sha256(b"sandbox cast account").hexdigest()
SCOPE = (
    "conversations.readonly conversations.write conversations/message.readonly conversations/message.write "
    "contacts.readonly contacts.write locations.readonly oauth.readonly oauth.write charges.readonly charges.write"
)


def identifier(*parts: object) -> str:
    """An id in HighLevel's shape (20 letters and digits), the same for the same parts."""
    number = int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest())
    digits = []
    for _ in range(20):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(digits)


def number_key(phone: str) -> str:
    """The last ten digits, by which `+63917…`, `63917…` and `0917…` are one number."""
    return "".join(character for character in phone if character.isdigit())[-10:]


class Ids:
    """New ids, never repeated within a seed. Another seed gives others: portals remember the ids of earlier runs."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self._numbers = itertools.count(1)

    def new(self, kind: str) -> str:
        """A fresh id for a thing of this kind."""
        return identifier(self.seed, kind, next(self._numbers))


@dataclass(slots=True)
class Company:
    """An agency."""

    id: str
    name: str


@dataclass(slots=True)
class Location:
    """A sub-account. `installed` says whether the app is; an inactive one refuses refreshes but keeps its token."""

    id: str
    name: str
    company_id: str
    timezone: str = "Asia/Manila"
    active: bool = True
    installed: bool = True
    default_provider: bool = True
    sender_name: str = ""


@dataclass(slots=True)
class Contact:
    """A contact of one location. Phones are E.164. `dnd` holds the settings of HighLevel's channels by their names."""

    id: str
    location_id: str
    name: str
    phone: str = ""
    email: str = ""
    tags: list[str] = field(default_factory=list)
    added_at: float = 0.0
    dnd: dict[str, dict[str, str]] = field(default_factory=dict)


DEMO_COMPANY = Company(identifier("company", 1), "Bayanihan Growth Agency")
DEMO_LOCATIONS = (
    Location(identifier("location", 1), "Cebu Dental Care", DEMO_COMPANY.id, sender_name="CEBUDENTAL"),
    Location(identifier("location", 2), "Manila Home Repair", DEMO_COMPANY.id, sender_name="MNLREPAIR"),
)
DEMO_PEOPLE = (
    (("Maria Santos", "+639175550101"), ("Jose Reyes", "+639185550102"), ("Ana Villanueva", "+639205550103")),
    (("Ramon Bautista", "+639275550201"), ("Liza Mercado", "+639285550202"), ("Carlo Dizon", "+639955550203")),
)
USER_ID = identifier("user", 1)


def demo_line_location() -> str:
    """The location that has the WhatsApp line."""
    return DEMO_LOCATIONS[0].id


def demo_cloud_location() -> str:
    """The location that has the WhatsApp Cloud number."""
    return DEMO_LOCATIONS[1].id


class World:
    """The agencies and locations the stand-in GHL knows. Tests may add more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.companies: dict[str, Company] = {DEMO_COMPANY.id: DEMO_COMPANY}
        self.locations: dict[str, Location] = {}
        for demo in DEMO_LOCATIONS:
            self.add(Location(demo.id, demo.name, demo.company_id, sender_name=demo.sender_name))

    def add(self, location: Location) -> Location:
        """Makes the location known, and its agency when it is new."""
        with self._lock:
            self.companies.setdefault(location.company_id, Company(location.company_id, "Another agency"))
            self.locations[location.id] = location
        return location

    def add_location(self, name: str, company_id: str = DEMO_COMPANY.id, *, installed: bool = True) -> Location:
        """One more location, with an id made from its name."""
        made = Location(identifier("location", company_id, name), name, company_id, installed=installed)
        return self.add(made)

    def remove(self, location_id: str) -> None:
        """The location is deleted."""
        with self._lock:
            self.locations.pop(location_id, None)

    def of_company(self, company_id: str) -> list[Location]:
        """The agency's locations, oldest first."""
        with self._lock:
            return [location for location in self.locations.values() if location.company_id == company_id]


def demo_contacts() -> list[Contact]:
    """The contacts every run begins with."""
    return [
        Contact(identifier("contact", phone), location.id, name, phone)
        for location, people in zip(DEMO_LOCATIONS, DEMO_PEOPLE, strict=True)
        for name, phone in people
    ]

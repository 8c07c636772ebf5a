"""What an export wants to be here, whichever system it is of: senders, users, credits, rules for texts to lists."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from portal.messaging import senders
from portal.messaging.senders import NewSender
from portal.models import Role


@dataclass(frozen=True, slots=True)
class Given:
    """What the exports lack and the command line says.

    `location` is the sub-account of rows that name none, `credentials` those of every sender that takes them, `api_url`
    the address of those that have none;
    `private`: senders may reach addresses inside a network; `lenient`: as the setting ALLOW_PRIVATE_HOSTS has it.
    """

    location: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    private: bool = False
    lenient: bool = False
    api_url: str = ""

    def fill(self, channel_fields: frozenset[str], known: Mapping[str, str]) -> dict[str, str]:
        """Credentials of a sender: the export's, and what is given for what it has not."""
        more = {name: value for name, value in self.credentials.items() if name in channel_fields}
        return {**more, **{name: value for name, value in known.items() if value}}

    def sender(self, channel: str, name: str, credentials: Mapping[str, str], api_url: str = "") -> NewSender:
        """A sender as it is to be."""
        # What the operator has typed may be inside a network; what an export says may not.
        trusted = self.private or bool(self.api_url and not api_url)
        url = api_url or self.api_url
        return NewSender(channel, name, credentials, url, operator=trusted, lenient=self.lenient)


@dataclass(frozen=True, slots=True)
class SenderWish:
    """A sender. `key` is the uuid that its webhook address had, "" where it gets one of ours.

    `note` is for the report.
    """

    location: str
    new: NewSender
    key: str = ""
    note: str = ""
    what = "sender"

    @property
    def subject(self) -> str:
        """How the report calls it: no credential but the one that everybody sees."""
        line = self.new.credentials.get(senders.address_field(self.new.credentials), "")
        return " ".join(filter(None, (self.new.channel, line or self.new.name)))

    @property
    def identity(self) -> tuple[str, ...]:
        """Two rows with the same are one."""
        own = self.key or "\n".join(f"{name}={value}" for name, value in sorted(self.new.credentials.items()))
        return self.what, self.new.channel, own


@dataclass(frozen=True, slots=True)
class UserWish:
    """Somebody who signs in. `stored` is the hash of the password there, of whatever kind."""

    location: str
    email: str
    role: Role
    active: bool = True
    stored: str = field(default="", repr=False)
    what = "user"

    @property
    def subject(self) -> str:
        """How the report calls them."""
        return self.email

    @property
    def identity(self) -> tuple[str, ...]:
        """Two rows with the same are one."""
        return self.what, self.email.strip().lower()


@dataclass(frozen=True, slots=True)
class CreditsWish:
    """Credits of `owner`, as the other system knows them: so many a month, and what is left of this one.

    None where the export says nothing of it.
    """

    location: str
    owner: str
    monthly: int | None
    left: int | None
    what = "credits"

    @property
    def subject(self) -> str:
        """How the report calls them."""
        told = (("a month", self.monthly), ("left", self.left))
        return ", ".join(f"{amount} {word}" for word, amount in told if amount is not None)

    @property
    def identity(self) -> tuple[str, ...]:
        """Two rows with the same are one."""
        return self.what, self.owner


@dataclass(frozen=True, slots=True)
class RulesWish:
    """How texts to lists are sent: countries, SMS parts, recipients of one call."""

    location: str
    countries: tuple[str, ...] | None
    segments: int | None
    batch: int | None
    note: str = ""
    what = "rules"

    @property
    def subject(self) -> str:
        """How the report calls them."""
        told = (",".join(self.countries or ()), _counted(self.segments, "parts"), _counted(self.batch, "at once"))
        return " ".join(filter(None, told)) or "texts to lists"

    @property
    def identity(self) -> tuple[str, ...]:
        """Two rows with the same are one."""
        return self.what, self.location


@dataclass(frozen=True, slots=True)
class Left:
    """What a row has that cannot be brought over, and why; the rest of the row can."""

    what: str
    subject: str
    reason: str
    location: str = ""


Wish = SenderWish | UserWish | CreditsWish | RulesWish


class Outcome(StrEnum):
    """What becomes of a wish."""

    MADE = "made"
    CHANGED = "changed"
    THERE = "is there"
    LEFT = "left out"


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the report: what became, or would become, of one thing in one row.

    `link` is an invitation, a secret.
    """

    row: int
    what: str
    subject: str
    location: str
    outcome: Outcome
    reason: str = ""
    link: str = field(default="", repr=False)


def _counted(number: int | None, word: str) -> str:
    return f"{number} {word}" if number else ""

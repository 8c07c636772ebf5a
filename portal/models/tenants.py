"""Who the portal works for: agencies, their locations (the tenants), and the OAuth grants that speak for them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Integer, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, BigId, one_of


class InstallState(StrEnum):
    """Whether the app is installed in a location. Only an installed location sends."""

    NOT_INSTALLED = "not_installed"
    INSTALLED = "installed"
    INACTIVE = "inactive"
    UNINSTALLED = "uninstalled"


# In these the app is in the location, and its token may be used.
HERE = (InstallState.INSTALLED, InstallState.INACTIVE)


class InstallEvent(StrEnum):
    """What last decided whether the app is installed. `listed` is the agency's list in HighLevel, which names it."""

    INSTALL = "install"
    UNINSTALL = "uninstall"
    CONSENT = "consent"
    LISTED = "listed"
    DISCONNECT = "disconnect"


# After these the app is in the location; what is missing at most is its token.
PRESENT = (InstallEvent.INSTALL, InstallEvent.CONSENT, InstallEvent.LISTED)


class FailoverPolicy(StrEnum):
    """What happens to a message whose chosen sender cannot send. `Location.family_stands_in` widens the second."""

    HOLD = "hold"
    SAME_CHANNEL = "same_channel"
    FAIL = "fail"


class GrantKind(StrEnum):
    """Whom an OAuth grant speaks for."""

    LOCATION = "location"
    COMPANY = "company"


class GrantState(StrEnum):
    """`inactive` keeps its token for HighLevel's return; `dead` needs a person to reconnect."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DEAD = "dead"
    UNINSTALLED = "uninstalled"


class Agency(Base):
    """A HighLevel company. `listed_at` is when its list of installed locations was last read whole.

    Each `…_at` beside a value is the moment of the event that told it: an older one changes nothing.
    """

    __tablename__ = "agency"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    company_id: Mapped[str] = mapped_column(String(128), unique=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    whitelabel_domain: Mapped[str] = mapped_column(String(253), default="")
    profile_at: Mapped[datetime | None]
    plan_id: Mapped[str] = mapped_column(String(128), default="")
    plan_at: Mapped[datetime | None]
    uninstalled_at: Mapped[datetime | None]
    listed_at: Mapped[datetime | None]
    check_at: Mapped[datetime | None] = mapped_column(index=True)
    note: Mapped[str] = mapped_column(Text, default="")
    # Its people have to sign in with a second factor.
    asks_second_factor: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    created_at: Mapped[datetime]


class Location(Base):
    """A HighLevel sub-account: the tenant. Everything a tenant owns hangs on its row.

    `agency_id` is proven: only a token that HighLevel gave out sets it. `claimed_company` is what an event said.
    `install_event` and its `…_at` are the last event that counted; `uninstalled_at` the latest uninstallation known.
    `install_note` says in words why the location is not connected. `unlisted_at` is since when the agency's list in
    HighLevel does not name it, `check_at` when it is looked at next. `stop_words` and `start_words` are its own lists
    of the words that end and begin messages, one a line; None for the usual ones. `family_stands_in`: where another
    sender of the same channel stands in, one of another channel of its family may too. `switches_itself`: a sender that
    is measured slow or failing is switched away from. `offers_gsm7`: whoever writes is shown what plain letters save.
    `bulksms_…` are for the routes of imqs/messaging (`portal.messaging.bulksms`): the countries that numbers may be of,
    separated by commas, how many SMS parts a text may have, and how many recipients one call to the provider may have.
    `country` is the one that HighLevel tells (`country_told`), or another that a person has chosen (`country_chosen`).
    """

    __tablename__ = "location"
    __table_args__ = (
        one_of("install_state", InstallState),
        one_of("failover", FailoverPolicy),
        CheckConstraint(
            "install_event IN ('', 'install', 'uninstall', 'consent', 'listed', 'disconnect')",
            name="install_event_known",
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    ghl_id: Mapped[str] = mapped_column(String(128), unique=True)
    agency_id: Mapped[int | None] = mapped_column(ForeignKey("agency.id"), index=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    country: Mapped[str] = mapped_column(String(2), default="")
    country_told: Mapped[str] = mapped_column(String(2), default="", server_default="")
    country_chosen: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    install_state: Mapped[str] = mapped_column(String(16), default=InstallState.NOT_INSTALLED)
    state_since: Mapped[datetime | None]
    install_event: Mapped[str] = mapped_column(String(16), default="")
    install_event_at: Mapped[datetime | None]
    install_note: Mapped[str] = mapped_column(Text, default="")
    uninstalled_at: Mapped[datetime | None]
    claimed_company: Mapped[str] = mapped_column(String(128), default="", index=True)
    profile_at: Mapped[datetime | None]
    plan_id: Mapped[str] = mapped_column(String(128), default="")
    plan_at: Mapped[datetime | None]
    unlisted_at: Mapped[datetime | None]
    check_at: Mapped[datetime | None] = mapped_column(index=True)
    failover: Mapped[str] = mapped_column(String(16), default=FailoverPolicy.HOLD)
    family_stands_in: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    switches_itself: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    offers_gsm7: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    ttl_seconds: Mapped[int] = mapped_column(Integer, default=24 * 3600)
    provider_id: Mapped[str] = mapped_column(String(128), default="")
    bulksms_countries: Mapped[str] = mapped_column(String(200), default="", server_default="")
    bulksms_segments: Mapped[int | None] = mapped_column(Integer)
    bulksms_batch: Mapped[int | None] = mapped_column(Integer)
    stop_words: Mapped[str | None] = mapped_column(Text)
    start_words: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]

    agency: Mapped[Agency | None] = relationship()


class Grant(Base):
    """One OAuth grant. Tokens are sealed; the refresh token is single-use, so one row lock guards its use.

    `consented_at` is since when the permission holds: the consent, or the minting out of the agency's grant.
    `consent_code` is the hash of the code that it came from, so that a callback may be repeated.
    """

    __tablename__ = "installation"
    __table_args__ = (UniqueConstraint("kind", "ghl_id"), one_of("kind", GrantKind), one_of("state", GrantState))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    ghl_id: Mapped[str] = mapped_column(String(128))
    company_id: Mapped[str] = mapped_column(String(128), default="", index=True)
    state: Mapped[str] = mapped_column(String(16), default=GrantState.ACTIVE)
    access_token: Mapped[str] = mapped_column(Text, default="")
    refresh_token: Mapped[str] = mapped_column(Text, default="")
    expires_at: Mapped[datetime] = mapped_column(index=True)
    refreshed_at: Mapped[datetime]
    consented_at: Mapped[datetime | None]
    consent_code: Mapped[str] = mapped_column(String(64), default="", index=True)
    generation: Mapped[int] = mapped_column(Integer, default=0)
    scopes: Mapped[str] = mapped_column(Text, default="")
    failure: Mapped[str] = mapped_column(Text, default="")
    failures: Mapped[int] = mapped_column(Integer, default=0)
    retry_at: Mapped[datetime | None]
    refreshing_until: Mapped[datetime | None]
    installs_future: Mapped[bool] = mapped_column(Boolean, default=False)
    installed_by: Mapped[str] = mapped_column(String(128), default="")
    created_at: Mapped[datetime]

"""Making one thing that an export wants, unless it is there: a sender, a user, credits, rules of texts to lists."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts import audit, links, passwords, people
from portal.accounts.people import Standing
from portal.credits import days, ledger, plans
from portal.credits.grants import Credit
from portal.crypto import SealBroken
from portal.errors import InvalidInput
from portal.installations.lifecycle import ensure_location
from portal.messaging import bulksms, funding, sender_settings, senders
from portal.models import (
    Agency,
    CreditPlan,
    LinkKind,
    Location,
    Sender,
    SenderState,
    Source,
    User,
    Wallet,
)
from portal.services import Services
from portal.takeover.exports import Unusable
from portal.takeover.wishes import CreditsWish, Outcome, RulesWish, SenderWish, UserWish, Wish

NOT_PROVEN = (
    "HighLevel has not said yet whose sub-account {place} is: install the app there, then run this again; nothing is "
    "made twice."
)
ANOTHERS = "The sub-account {place} is of another agency than {agency}."
KEPT = "It is there already, and what it is set to here is left as it is."
TO_INVITE = "Its password cannot be checked here, so it has to be invited: on the page Users, or with --invite."


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it. `key` is that of an invitation of `user`, to be delivered once all is written."""

    outcome: Outcome
    reason: str = ""
    user: User | None = None
    key: str = field(default="", repr=False)


@dataclass
class Maker:
    """Makes things for one run. With `agency` nothing of another one's sub-account is made but senders."""

    parts: Services
    system: str
    agency: str = ""
    invite: bool = False

    @cached_property
    def nobodys(self) -> str:
        """The hash of a password that nobody knows: a run makes it once, because each takes a tenth of a second."""
        return passwords.of_nobody()

    def make(self, session: Session, wish: Wish) -> Done:
        """Makes it in the caller's transaction, with its entry in the audit log. Raises `PortalError`."""
        if isinstance(wish, SenderWish):
            return self._sender(session, wish)
        if isinstance(wish, UserWish):
            return self._user(session, wish)
        if isinstance(wish, CreditsWish):
            return self._credits(session, wish)
        return self._rules(session, wish)

    def _sender(self, session: Session, wish: SenderWish) -> Done:
        location = ensure_location(session, wish.location)
        same = _same_sender(session, self.parts, location, wish)
        if same is not None:
            if same.location_id != location.id:
                raise senders.taken("sender", "name")
            return Done(Outcome.THERE, KEPT)
        _refuse_elsewhere(session, self.parts, location, wish)
        row = senders.add(session, self.parts.vault, location, wish.new)
        row.name = sender_settings.clean_name(wish.new.name)
        sender_settings.refuse_taken(session, row, senders.address_field(wish.new.credentials))
        if wish.key:
            senders.take_key(session, row.id, wish.key)
        given = {"from": self.system, "channel": row.channel, "fields that were set": sorted(wish.new.credentials)}
        self._note(session, row, given | audit.snapshot(row))
        return Done(Outcome.MADE, wish.note)

    def _user(self, session: Session, wish: UserWish) -> Done:
        location = self._proven(session, wish.location)
        address = wish.email.strip().lower()
        there = session.scalar(select(User).where(User.email == address))
        if there is not None and there.agency_id != location.agency_id:
            raise InvalidInput("There is a user with this e-mail address already.")
        if there is not None:
            return Done(Outcome.THERE, KEPT)
        known = passwords.verifiable(wish.stored)
        standing = Standing(wish.role, frozenset({location.id}))
        stored = wish.stored if known else self.nobodys
        row = people.bring(session, location.agency_id or 0, address, standing, stored, invited=not known)
        row.active = wish.active
        after = {"from": self.system, "role": row.role, "sub-account": location.ghl_id, "active": row.active}
        self._note(session, row, after | {"password": "taken over" if known else "to be chosen"})
        if known or not wish.active:
            return Done(Outcome.MADE, "" if known else "It is turned off, and has no password.")
        return self._invited(session, row) if self.invite else Done(Outcome.MADE, TO_INVITE)

    def _invited(self, session: Session, row: User) -> Done:
        key = links.make(session, row, LinkKind.INVITATION, audit.command_line().name)
        return Done(Outcome.MADE, "", row, key)

    def _credits(self, session: Session, wish: CreditsWish) -> Done:
        location = self._proven(session, wish.location)
        agency = session.get_one(Agency, location.agency_id)
        who = audit.command_line().name
        wallet_id = ledger.known_wallet(session, location.id)
        wallet = session.scalars(select(Wallet).where(Wallet.id == wallet_id)).one()
        began, plan = False, session.get(CreditPlan, wallet.plan_id) if wallet.plan_id else None
        wanted = plans.monthly(session, agency, wish.monthly or 0)
        if plan is None:
            began = True
            if wallet.unlimited:
                funding.set_limit(session, location, False, who)
            funding.set_policies(session, location, plan_id=wanted.id)
        given = self._left(session, location, wallet_id, wish, who, fresh=began)
        if began or given:
            after = {"from": self.system, "plan": wanted.name if began else None, "credits": given or None}
            self._note(session, location, {name: value for name, value in after.items() if value is not None})
        if plan is not None and plan.id != wanted.id:
            told = f"The sub-account has the plan {plan.name} already, which all its users share."
            return Done(Outcome.MADE if given else Outcome.THERE, told)
        return Done(Outcome.MADE if began or given else Outcome.THERE)

    def _left(
        self, session: Session, location: Location, wallet_id: int, wish: CreditsWish, who: str, *, fresh: bool
    ) -> int:
        """Gives what is left of the month there, once; how much. The plan begins with the month after."""
        if wish.left is None:
            return 0
        _, end = days.month_of(days.zone_of(session, wallet_id), clock.now())
        if fresh:
            session.execute(update(Wallet).where(Wallet.id == wallet_id).values(next_grant_at=end))
        if wish.left <= 0:
            return 0
        reason = f"left of the month at {self.system}"
        credit = Credit(wish.left, Source.GRANT, f"import:{self.system}:{wish.owner}", who, reason, end)
        return wish.left if funding.give(session, location, credit) else 0

    def _rules(self, session: Session, wish: RulesWish) -> Done:
        row = ensure_location(session, wish.location)
        before = _rules_of(row)
        bulksms.set_rules(row, wish.countries, wish.segments, wish.batch)
        session.flush()
        after = _rules_of(row)
        if before == after:
            return Done(Outcome.THERE, wish.note)
        audit.note(session, audit.command_line(), f"imported from {self.system}", row, before, after)
        return Done(Outcome.CHANGED, wish.note)

    def _proven(self, session: Session, place: str) -> Location:
        """The sub-account, of which HighLevel has said whose it is. Raises `Unusable`."""
        row = session.scalar(select(Location).where(Location.ghl_id == place))
        if row is None or row.agency_id is None:
            raise Unusable(NOT_PROVEN.format(place=place))
        if self.agency and session.get_one(Agency, row.agency_id).company_id != self.agency:
            raise Unusable(ANOTHERS.format(place=place, agency=self.agency))
        return row

    def _note(self, session: Session, row: Any, after: Mapping[str, Any]) -> None:
        session.flush()
        audit.note(session, audit.command_line(), f"imported from {self.system}", row, after=after)


def _same_sender(session: Session, parts: Services, location: Location, wish: SenderWish) -> Sender | None:
    """The sender that is there for this row: by its uuid, else by its line, else by all its credentials."""
    alive = Sender.state != SenderState.REMOVED
    if wish.key:
        return session.scalar(select(Sender).where(alive, Sender.key == wish.key.lower()))
    line = wish.new.credentials.get(senders.address_field(wish.new.credentials), "")
    own = alive, Sender.location_id == location.id, Sender.channel == wish.new.channel
    if line:
        url = wish.new.api_url.rstrip("/")
        return session.scalar(select(Sender).where(*own, Sender.address == line[:128], Sender.api_url == url).limit(1))
    return sender_settings.twin(session, parts.vault, location, wish.new)


def _refuse_elsewhere(session: Session, parts: Services, location: Location, wish: SenderWish) -> None:
    """Raises `InvalidInput` when another sub-account has a sender with these very credentials."""
    address_field = senders.address_field(wish.new.credentials)
    line = wish.new.credentials.get(address_field, "")[:128]
    others = Sender.channel == wish.new.channel, Sender.location_id != location.id, Sender.address == line
    for row in session.scalars(select(Sender).where(*others, Sender.state != SenderState.REMOVED)):
        try:
            same = parts.vault.open_fields(row.credentials) == dict(wish.new.credentials)
        except SealBroken:
            continue
        if same:
            raise senders.taken("sender", address_field)


def _rules_of(row: Location) -> dict[str, Any]:
    return {
        "countries": row.bulksms_countries,
        "SMS parts": row.bulksms_segments,
        "recipients of a call": row.bulksms_batch,
    }

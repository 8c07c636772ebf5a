"""Charges in HighLevel, each at most once: what nobody knows the outcome of is looked up before it is tried again.

The row says before each call what is about to be done. A charge is made under our own id, found again by it, and taken
back when the credits that it is for were. It waits for funds, for a token and for HighLevel as long as it takes.
"""

import logging
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from portal import clock
from portal.alerts.notices import CHARGES_WAIT, close_alert, raise_alert
from portal.credits import charging
from portal.ghl.billing import Charge, Charged, Meter
from portal.ghl.client import GhlClient
from portal.ghl.errors import GhlError, Kind
from portal.installations import scopes
from portal.installations.lifecycle import grant_of
from portal.installations.tokens import NoToken
from portal.messaging.into_ghl import LONGEST_WAIT, OWN_FAULTS, TELL_AFTER, IntoGhl
from portal.messaging.releasing import release_held
from portal.models import ChargeState, GrantKind, Job, Location, Message, Wallet, WalletCharge
from portal.queue import gates
from portal.queue.jobs import Due, complete, postpone

log = logging.getLogger(__name__)

# So long after a call whose answer was lost HighLevel may still be at it: what is not there by then was not made.
BELIEVED_AFTER = timedelta(seconds=90)
# Older than this when it was paid for, a message may have been paid for before a backup was restored.
LONG_AGO = timedelta(minutes=5)
# What HighLevel refuses so often for its own sake does not keep the others of its sub-account waiting.
OWN_TRIES = 3
_UNCLEAR = (Kind.UNKNOWN, Kind.SERVER)
# HighLevel's words for want of funds are not documented: behind these refusals it may be that.
_PERHAPS_NO_FUNDS = (Kind.INVALID, Kind.NO_ACCESS)

NO_METER = "GHL_METER_ID is not set: set it, or nothing can be charged."
NO_PRICE = "The meter takes our price, and the sub-account's plan has none in USD: flask credits plan … --credit-price."
NO_AGENCY = "The sub-account's agency is not known yet: connect the app again."


class WalletCharges(IntoGhl):
    """Carries out `charge_wallet` and `ask_funds` jobs, with the tokens and gates of all that HighLevel is told."""

    def charge(self, due: Due) -> bool:
        """Makes the charge, or takes it back, whichever the row says is left to do."""
        with self._database.read() as session:
            row = session.get(WalletCharge, due.subject)
            location = self._location(session, row.wallet_id) if row else None
        if row is None or location is None or not (_is_open(row) or _costs_unknown(row)):
            return self._done(due)
        return self.call(
            due,
            location,
            lambda ghl, token: self._work(ghl, token, due.subject, location),
            lambda _: self._finish(due, location),
        )

    def ask_funds(self, due: Due) -> bool:
        """Asks whether the wallet in HighLevel can be charged, and lets go what waited for that."""
        with self._database.read() as session:
            location = self._location(session, due.subject)
        if location is None:
            return self._done(due)

        def ask(ghl: GhlClient, token: str) -> str:
            return "yes" if ghl.billing.has_funds(token) else "no"

        def then(answer: str) -> bool:
            with self._database.write() as session:
                if answer == "yes":
                    release_held(session, location.id)
                charging.note_funds(session, location, answer == "yes")
                complete(session, [due.id])
                _close_alert(session, location, due)
            return True

        return self.call(due, location, ask, then)

    def _location(self, session: Session, wallet_id: int) -> Location | None:
        wanted = select(Location).join(Wallet, Wallet.location_id == Location.id).where(Wallet.id == wallet_id)
        found: Location | None = session.scalar(wanted.options(joinedload(Location.agency)))
        return found

    def _work(self, ghl: GhlClient, token: str, charge_id: int, location: Location) -> str:
        """One step after the other, each written before the next; returns when nothing is left to do now."""
        with self._database.read() as session:
            row = session.get_one(WalletCharge, charge_id)
            message = session.get_one(Message, row.message_id)
        if row.state == ChargeState.WAITING and not row.refund_wanted:
            old = not row.event_id and row.at - message.created_at > LONG_AGO
            if not (old and self._find(ghl, token, row, message)):
                self._make(ghl, token, row, message, location)
        elif row.state == ChargeState.ASKED and not self._find(ghl, token, row, message):
            self._not_there(row)
        elif row.state == ChargeState.CHARGED and not row.refund_wanted:
            self._learn_amount(ghl, token, row)
            return ""
        elif row.state in (ChargeState.CHARGED, ChargeState.REFUNDING):
            self._refund(ghl, token, row)
        elif row.state == ChargeState.WAITING:
            self._move(row, ChargeState.DROPPED)
        elif not _is_open(row):
            return ""
        return self._work(ghl, token, charge_id, location)

    def _make(self, ghl: GhlClient, token: str, row: WalletCharge, message: Message, location: Location) -> None:
        charge = self._described(row, message, location)
        turn = row.attempts + 1
        if not self._move(row, ChargeState.ASKED, event_id=charge.event_id, asked_at=clock.now(), attempts=turn):
            return
        row.state, row.attempts = ChargeState.ASKED, turn
        try:
            made = ghl.billing.charge(token, charge)
        except GhlError as error:
            if error.kind in _UNCLEAR:
                raise
            self._move(row, ChargeState.WAITING)
            if error.kind in _PERHAPS_NO_FUNDS and not ghl.billing.has_funds(token):
                raise GhlError(Kind.NO_FUNDS, status=error.status, detail=error.detail) from None
            raise
        amount = charge.unit_micros * charge.units or None
        self._charged(row.id, made, amount, unit_micros=charge.unit_micros)

    def _described(self, row: WalletCharge, message: Message, location: Location) -> Charge:
        """Raises `GhlError` when something is missing that only a person can add."""
        meter, company = self._meter(), location.agency.company_id if location.agency else ""
        if not company:
            raise GhlError(Kind.INVALID, hint=NO_AGENCY)
        price = self._price(row) if meter.dynamic else 0
        what = "Message received" if message.direction == "in" else "Message sent"
        return Charge(
            app_id=self._settings.ghl_app_id,
            meter_id=meter.id,
            event_id=event_id(row, message),
            location_id=location.ghl_id,
            company_id=company,
            description=f"{what}: {row.units} credit{'s' if row.units != 1 else ''}",
            units=row.units,
            unit_micros=price,
            at=row.at,
        )

    def _meter(self) -> Meter:
        if self._settings.ghl_meter is None:
            raise GhlError(Kind.INVALID, hint=NO_METER)
        return self._settings.ghl_meter

    def _price(self, row: WalletCharge) -> int:
        """The plan's when the entry was written; where there was none, the one that it has by now."""
        if row.unit_micros:
            return row.unit_micros
        with self._database.read() as session:
            charging.forget(session)
            now = charging.tariff(session, row.wallet_id).unit_micros
        if not now:
            raise GhlError(Kind.INVALID, hint=NO_PRICE)
        return now

    def _find(self, ghl: GhlClient, token: str, row: WalletCharge, message: Message) -> bool:
        """Is there a charge under our id? Should there be several, all but the first are taken back."""
        found = ghl.billing.find(token, row.event_id or event_id(row, message))
        living = [each for each in found if not each.refunded]
        for each in living[1:]:
            ghl.billing.refund(token, each.id)
            log.warning("a charge was there twice", extra={"subject": row.id})
        if not found:
            return False
        kept = (living or found)[0]
        self._charged(row.id, kept.id, kept.amount_micros)
        if kept.refunded:
            self._refunded(row.id)
        return True

    def _not_there(self, row: WalletCharge) -> None:
        """Raises `_TooSoon` while the call that was lost may still have an effect."""
        asked = row.asked_at or clock.now()
        if clock.now() < asked + BELIEVED_AFTER:
            raise _TooSoon(asked + BELIEVED_AFTER - clock.now())
        self._move(row, ChargeState.DROPPED if row.refund_wanted else ChargeState.WAITING)

    def _learn_amount(self, ghl: GhlClient, token: str, row: WalletCharge) -> None:
        """Of a meter with its own price only HighLevel knows what it took."""
        if _costs_unknown(row):
            known = ghl.billing.get(token, row.charge_id)
            self._charged(row.id, known.id, known.amount_micros)
            if known.refunded:
                self._refunded(row.id)  # by a person, in HighLevel

    def _refund(self, ghl: GhlClient, token: str, row: WalletCharge) -> None:
        if row.state == ChargeState.REFUNDING and _is_refunded(_got(ghl, token, row.charge_id)):
            self._refunded(row.id)
            return
        if not self._move(row, ChargeState.REFUNDING, attempts=row.attempts + 1):
            return
        try:
            ghl.billing.refund(token, row.charge_id)
        except GhlError as error:
            if error.kind not in OWN_FAULTS or not _is_refunded(_got(ghl, token, row.charge_id)):
                raise
        self._refunded(row.id)

    def _charged(self, row_id: int, charge_id: str, amount: int | None, **more: object) -> None:
        with self._database.write() as session:
            row = _locked(session, row_id)
            row.charged_at = row.charged_at or clock.now()
            row.state = ChargeState.REFUNDING if row.refund_wanted else ChargeState.CHARGED
            row.charge_id, row.amount_micros, row.failure = charge_id, amount, ""
            for name, value in more.items():
                setattr(row, name, value)

    def _refunded(self, row_id: int) -> None:
        with self._database.write() as session:
            row = _locked(session, row_id)
            row.state, row.refunded_at, row.failure = ChargeState.REFUNDED, clock.now(), ""

    def _move(self, known: WalletCharge, state: ChargeState, **more: object) -> bool:
        """False, and nothing written, when it is not as known any more: a lease lapsed, and another process went on."""
        with self._database.write() as session:
            row = _locked(session, known.id)
            if (row.state, row.attempts) != (known.state, known.attempts):
                return False
            row.state = state
            for name, value in more.items():
                setattr(row, name, value)
        return True

    def _finish(self, due: Due, location: Location) -> bool:
        """Done, unless its credits were given back meanwhile: then the same job goes again."""
        with self._database.write() as session:
            row = _locked(session, due.subject)
            if _is_open(row):
                postpone(session, due, clock.now())
                return False
            if row.charge_id:
                charging.note_funds(session, location, True)
            complete(session, [due.id])
            _close_alert(session, location, due)
        return True

    def _refused(self, due: Due, location: Location, error: GhlError) -> bool:
        """Puts it off, and says so. Nothing here closes the gate but HighLevel's own limit: messages go first."""
        if error.kind is Kind.LOCATION_INACTIVE:
            return self._wait_for_token(due, NoToken(error.message, self._tokens.note_inactive(location.ghl_id)))
        wait, lane = timedelta(seconds=2.0 ** min(due.attempts, 12)), None
        with self._database.write() as session:
            self._note_failure(session, due, error)
            if error.kind is Kind.NO_FUNDS:
                charging.note_funds(session, location, False)
                wait = timedelta(minutes=min(due.attempts + 1, 10))
            elif error.kind is Kind.NO_SCOPE:
                grant = grant_of(session, GrantKind.LOCATION, location.ghl_id)
                scopes.refused(session, grant, location, error.message)
            elif error.kind is Kind.RATE_LIMITED:
                gates.block(session, due.gate, error.message, seconds=error.retry_after or 10.0, count=False)
            elif error.kind in OWN_FAULTS and due.attempts >= OWN_TRIES and error.status:
                lane = f"charge:{due.subject}"
            if isinstance(error, _TooSoon):
                wait = error.wait
            elif clock.now() - due.created_at > TELL_AFTER or (not error.status and error.kind is Kind.INVALID):
                _tell(session, location, error)
            postpone(session, due, clock.now() + min(wait, LONGEST_WAIT), error.message, lane=lane)
        return False

    def _note_failure(self, session: Session, due: Due, error: GhlError | NoToken) -> None:
        if due.kind == charging.KIND:
            _locked(session, due.subject).failure = error.message


class _TooSoon(GhlError):
    """Nobody can say yet whether the charge was made. `wait` is how long that will be so."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(Kind.UNKNOWN, hint="It is looked up again.")
        self.wait = wait


def event_id(row: WalletCharge, message: Message) -> str:
    """Our id of a charge: the same whatever happens to this database, because it may be restored from a backup."""
    kind, _, rest = row.entry_key.partition(":")
    return "-".join([kind.replace("_", "-"), message.uuid, *rest.split(":")[1:]])


def _is_open(row: WalletCharge) -> bool:
    if row.state == ChargeState.CHARGED:
        return row.refund_wanted
    return row.state in charging.OPEN


def _costs_unknown(row: WalletCharge) -> bool:
    return row.state == ChargeState.CHARGED and row.amount_micros is None


def _got(ghl: GhlClient, token: str, charge_id: str) -> Charged | None:
    try:
        return ghl.billing.get(token, charge_id)
    except GhlError as error:
        if error.kind is Kind.NOT_FOUND:
            return None
        raise


def _is_refunded(found: Charged | None) -> bool:
    """What HighLevel does not know any more costs nobody anything."""
    return found is None or found.refunded


def _locked(session: Session, row_id: int) -> WalletCharge:
    wanted = select(WalletCharge).where(WalletCharge.id == row_id).with_for_update()
    return session.scalars(wanted.execution_options(populate_existing=True)).one()


def _tell(session: Session, location: Location, error: GhlError) -> None:
    text = f"{location.name or location.ghl_id}: charges to its wallet in HighLevel are not taken. {error.message}"
    raise_alert(session, CHARGES_WAIT, location.ghl_id, text, location.id)


def _close_alert(session: Session, location: Location, due: Due) -> None:
    """Once the last of those that waited is made."""
    if not due.attempts:
        return
    waits = Job.kind == charging.KIND, Job.gate == due.gate, Job.attempts > 0, Job.id != due.id
    if session.scalar(select(Job.id).where(*waits).limit(1)) is None:
        close_alert(session, CHARGES_WAIT, location.ghl_id)

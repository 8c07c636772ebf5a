"""A provider takes a message and says later that it did not go out: what follows beyond the message, and its new turn.

Such a receipt is as definite as a refused call: nothing has reached anybody. So it counts for the sender as the same
refusal would, and where time or a repair helps, the part is queued again under a new key, a few times and within its
message's time-to-live. HighLevel hears nothing of it before it is over.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal import clock
from portal.channels.base import Outcome, Receipt, Scope, Setback
from portal.channels.content import AddressKind
from portal.credits import campaigns, ledger
from portal.messaging import marketing_pauses
from portal.messaging.lines import ask_now
from portal.messaging.provider_accounts import stop
from portal.messaging.statuses import FINAL, RESTORED, follow_parts, move_part
from portal.messaging.storable import storable_details
from portal.models import Part, Sender, SenderState, Status
from portal.queue import gates
from portal.queue.jobs import SEND, drop, enqueue, job

# So often a part is queued again. With the waits that is an hour and a half, where its time-to-live allows.
MOST_TIMES = 5
FIRST_WAIT, CROWDED_WAIT, GROWTH, LONGEST_WAIT = 15.0, 4.0, 4.0, 3600.0
# What a sender's fault closes its gate for, in seconds, where the provider names no time.
SENDER_WAIT = 10.0
# A wait that is longer does not keep the rest of the conversation waiting.
STEP_ASIDE = timedelta(seconds=60)
MAY_RETURN = (Status.ACCEPTED, Status.SENT, Status.UNKNOWN)


def stored(setback: Setback | None) -> dict[str, Any] | None:
    """As a receipt's row keeps it."""
    return storable_details(asdict(setback)) if setback is not None else None


def restored(kept: Mapping[str, Any] | None) -> Setback | None:
    """What `stored` has made of it, in this version of the portal or in another."""
    known = {each.name: kept[each.name] for each in fields(Setback) if each.name in kept} if kept else {}
    return replace(Setback(**known), scope=Scope(known["scope"])) if known else None


def lock_gate(session: Session, sender: Sender, receipt: Receipt) -> None:
    """Before the message is locked: results take gates and messages in this order."""
    if receipt.setback is not None and receipt.setback.scope is Scope.SENDER:
        gates.lock(session, [gates.sender_gate(sender.id, sender.account_key)])


def take(session: Session, part: Part, receipt: Receipt, who: str) -> bool:
    """All that a failed receipt on a part of a locked message asks for; True when the part is queued again."""
    setback = receipt.setback
    if setback is None or receipt.outcome is not Outcome.FAILED or part.sender_id is None:
        return False
    sender = session.get_one(Sender, part.sender_id)
    free_at = _tell_sender(session, sender, part, setback)
    if setback.no_marketing:
        marketing_pauses.begin(session, part.message, setback.no_marketing, receipt.code)
    return setback.retry and _again(session, sender, part, receipt, setback, who, free_at)


def _tell_sender(session: Session, sender: Sender, part: Part, setback: Setback) -> datetime:
    """What the fault means for whatever else the sender has to send; from when on it may send again."""
    moment = clock.now()
    if setback.scope is not Scope.SENDER:
        return moment
    ask_now(session, sender.id, sender.channel)
    if setback.stops:
        called = part.sending_at or moment
        old = sender.resumed_at is not None and called <= sender.resumed_at
        if not old and sender.state != SenderState.REMOVED:
            stop(session, sender.id, setback.sentence)
        return moment
    seconds = SENDER_WAIT if setback.retry_after is None else setback.retry_after
    gate = gates.sender_gate(sender.id, sender.account_key)
    return gates.block(session, gate, setback.sentence, seconds=seconds, count=False)


def _again(
    session: Session, sender: Sender, part: Part, receipt: Receipt, setback: Setback, who: str, free_at: datetime
) -> bool:
    message = part.message
    wait = timedelta() if setback.stops else _wait(part.lost, setback)
    run_at = max(clock.now() + wait, free_at)
    if not _may_return(part) or (message.expires_at is not None and run_at >= message.expires_at):
        return False
    if not _hold_credits(session, part, receipt.detail):
        return False
    part.lost += 1
    part.key_round += 1
    part.external_id, part.accepted_at, part.next_poll_at, part.polls = None, None, None, 0
    part.in_doubt = False
    move_part(session, part, Status.QUEUED, who=who, code=receipt.code, detail=setback.sentence)
    follow_parts(session, message, who=who, code=receipt.code, detail=setback.sentence)
    session.flush()
    aside = wait > STEP_ASIDE and not setback.crowded
    lane = f"aside:{part.id}" if aside else f"out:{message.conversation_id}"
    gate = gates.sender_gate(sender.id, sender.account_key)
    # A job that is there, of a call whose answer was lost, is ended by whoever has it in hand.
    drop(session, "send", [part.id])
    row = job(SEND, "send", part.id, lane, gate=gate, priority=message.priority, run_at=run_at)
    enqueue(session, [row | {"note": setback.sentence[:500]}])
    return True


def _may_return(part: Part) -> bool:
    """Is it the newest call of the part that the receipt speaks of, and all of it? The caller found it by its id.

    What a restored backup left in doubt may have been sent again in the time that was lost with it. In a group other
    members have the message.
    """
    message = part.message
    alone = part.bulk_call_id is None and message.address_kind != AddressKind.GROUP
    others_wait = not any(each.status in FINAL for each in message.parts)
    return (
        part.status in MAY_RETURN and part.code != RESTORED and part.lost < MOST_TIMES and alone and others_wait
    ) and message.funded


def _wait(lost: int, setback: Setback) -> timedelta:
    """Grows fourfold with every time, as Meta asks for too many messages to one person (error 131056)."""
    first = CROWDED_WAIT if setback.crowded else FIRST_WAIT
    seconds = max(min(first * GROWTH**lost, LONGEST_WAIT), setback.retry_after or 0.0)
    return timedelta(seconds=seconds)


def _hold_credits(session: Session, part: Part, reason: str) -> bool:
    """Failed is free, and a new turn is paid for anew: refunded and held again. False when nothing is left to hold."""
    message = part.message
    account = ledger.account_of(session, message.id, part.number, part.price)
    if part.status != Status.UNKNOWN and account.spent:
        wallet = ledger.known_wallet(session, message.location_id)
        arguments = (wallet, message.id, part.number, account.spent, reason, account.round, account.hold)
        ledger.write(session, [ledger.refund(*arguments)])
        campaigns.give_back(session, message.bulk, account.spent)
    return ledger.hold_again(session, message.location_id, message.id, part.number, part.price, message.bulk)

"""Provider accounts: what senders of one account share (its gates, its balance), and the alerts of their faults."""

from collections.abc import Collection, Mapping

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import SENDER_FAULT, close_alert, raise_alert
from portal.channels import capabilities
from portal.channels.base import Channel
from portal.channels.capabilities import SharesAccount
from portal.database import insert
from portal.models import Job, Part, ProviderAccount, Sender, SenderState
from portal.queue import gates

POLLS_A_SECOND = 20.0
OWN_POLLS_A_SECOND = 200.0


def attach(
    session: Session, sender: Sender, channel: Channel, credentials: Mapping[str, str], pace: float | None = None
) -> None:
    """Gives a sender its account and its gates by its credentials, also when they have changed.

    `pace` is messages a second; None keeps that of a shared account, whose senders share one pace.
    """
    before = gates_of(sender)
    sender.account_key = capabilities.account_key(channel, credentials, sender.api_url)
    sender.sandbox = capabilities.is_sandbox(channel, credentials)
    session.flush()
    _ensure_gates(session, sender, channel, pace)
    if isinstance(channel, SharesAccount):
        _ensure_account(session, sender)
    for kind, old, new in zip(("send", "check_status"), before, gates_of(sender), strict=True):
        if old != new:
            mine = select(Part.id).where(Part.id == Job.subject, Part.sender_id == sender.id).exists()
            session.execute(update(Job).where(Job.kind == kind, Job.gate == old, mine).values(gate=new))


def gates_of(sender: Sender) -> list[str]:
    """The keys of the gates of a sender's sends and polls."""
    return [gates.sender_gate(sender.id, sender.account_key), gates.poll_gate(sender.id, sender.account_key)]


def _ensure_gates(session: Session, sender: Sender, channel: Channel, pace: float | None) -> None:
    sends, polls = gates_of(sender)
    if not isinstance(channel, SharesAccount):
        if pace is not None:
            gates.ensure(session, sends, pace, max(pace, 1.0), own=True)
        gates.ensure_exists(session, sends)
        gates.ensure_exists(session, polls, POLLS_A_SECOND, POLLS_A_SECOND)
        return
    # One call at a time and no bursts: a provider counts what comes within any second.
    if pace is not None:
        gates.ensure(session, sends, pace, max(pace / 10, 1.0), own=True)
    if sender.api_url:
        # The documented limits are those of the provider's public address; another one says 429 when it has limits.
        gates.ensure_exists(session, sends)
        gates.ensure_exists(session, polls, OWN_POLLS_A_SECOND, OWN_POLLS_A_SECOND)
        return
    gates.ensure_exists(session, sends, channel.account_pace)
    gates.ensure_exists(session, polls, channel.account_poll_pace)


def set_pace(session: Session, sender: Sender, channel: Channel, pace: float | None) -> None:
    """Gives a sender, or its whole account, a person's own pace; None is what it has without one."""
    if pace is not None:
        _ensure_gates(session, sender, channel, pace)
        return
    own = channel.account_pace if isinstance(channel, SharesAccount) and not sender.api_url else 0.0
    gates.ensure(session, gates_of(sender)[0], own, 1.0)


def _ensure_account(session: Session, sender: Sender) -> None:
    moment = clock.now()
    values = {
        "key": sender.account_key,
        "channel": sender.channel,
        "currency": "",
        "postpaid": False,
        "balance_failure": "",
        "next_balance_at": moment,
        "opt_outs_failure": "",
        "next_opt_outs_at": moment,
        "created_at": moment,
    }
    session.execute(insert(session, ProviderAccount).values(**values).on_conflict_do_nothing(index_elements=["key"]))


def tell_of_fault(session: Session, sender_id: int | None, what: str, reason: str) -> None:
    """A sender that cannot send keeps its messages waiting until they expire: a person has to know."""
    sender = session.get_one(Sender, sender_id)
    text = f"{sender.name} {what}. {reason}"
    raise_alert(session, SENDER_FAULT, gates.sender_gate(sender.id), text, sender.location_id)


def stop(session: Session, sender_id: int | None, reason: str) -> None:
    """Nothing that this sender is given goes out until a person helps: it is paused, and a person is told."""
    active = Sender.id == sender_id, Sender.state == SenderState.ACTIVE
    session.execute(update(Sender).where(*active).values(state=SenderState.PAUSED, state_reason=reason[:500]))
    tell_of_fault(session, sender_id, "is stopped, its messages are held", reason)


def end_faults(session: Session, keys: Collection[str]) -> None:
    """Closes the alerts of all senders behind gates that are open again."""
    accounts = [key.removeprefix("account:") for key in keys if key.startswith("account:")]
    subjects = {key for key in keys if key.startswith("sender:")}
    if accounts:
        shared = session.scalars(select(Sender.id).where(Sender.account_key.in_(accounts)))
        subjects.update(gates.sender_gate(each) for each in shared)
    for subject in sorted(subjects):
        close_alert(session, SENDER_FAULT, subject)

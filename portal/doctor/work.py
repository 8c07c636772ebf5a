"""The work: is anybody at it, does it wait, and which senders, grants and alerts want a person?"""

from collections.abc import Iterator

from sqlalchemy import func, select

from portal import clock
from portal.doctor.findings import Finding, fault, ok, warn
from portal.messaging import line_states
from portal.models import Alert, Gate, Grant, GrantState, Job, Sender, SenderState
from portal.queue.gates import PROBE_AFTER, sender_gate
from portal.services import Services
from portal.worker.presence import workers as alive

# Work that nobody has tried for so long shows that nobody works.
UNTRIED_SECONDS = 300.0
SHOWN = 10


def workers(services: Services) -> Iterator[Finding]:
    """Is any worker alive?"""
    name, count = "workers", alive(services.database, services.settings)
    if count:
        yield ok(name, f"{count} alive")
    else:
        yield fault(name, "None is alive: nothing is sent.", "Start one: PORTAL_ROLE=worker (or all) python app.py")


def queue(services: Services) -> Iterator[Finding]:
    """How long has due work waited that nobody has tried yet?"""
    with services.database.read() as session:
        untried = Job.run_at <= clock.now(), Job.attempts == 0
        oldest = session.scalar(select(func.min(Job.run_at)).where(*untried))
        count = session.scalar(select(func.count()).select_from(Job)) or 0
    age = max((clock.now() - oldest).total_seconds(), 0.0) if oldest else 0.0
    says = f"{count} jobs, the oldest untried one due for {age:.0f} s"
    if age > UNTRIED_SECONDS:
        yield fault("queue", says, "Is a worker running, and does it keep up? See sendero_jobs in /metrics.")
    else:
        yield ok("queue", says)


def senders(services: Services) -> Iterator[Finding]:
    """Which are paused, and which does a fault keep shut?"""
    with services.database.read() as session:
        rows = session.scalars(select(Sender).where(Sender.state != SenderState.REMOVED).order_by(Sender.id)).all()
        gates = {gate.key: gate for gate in session.scalars(select(Gate).where(Gate.key.startswith("sender:")))}
    ill = 0
    for sender in rows:
        gate = gates.get(sender_gate(sender.id))
        says = _trouble(sender, gate)
        if says:
            ill += 1
            if ill <= SHOWN:
                yield warn(
                    "senders",
                    f"{sender.id} {sender.name}: {says}",
                    _remedy(sender).format(id=sender.id),
                )
    if ill > SHOWN:
        yield warn("senders", f"{ill - SHOWN} more are in trouble.", "See Health on the overview page.")
    if not ill:
        yield ok("senders", f"{len(rows)}, none in trouble")


_REMEDY = {
    SenderState.ACTIVE: "Repair the account at the provider, or: flask sender set {id} --set KEY=VALUE",
    SenderState.PAUSED: "flask sender resume {id}",
}


def _remedy(sender: Sender) -> str:
    line = sender.state == SenderState.ACTIVE and sender.line_state not in line_states.SENDING
    return "flask sender line {id}, flask sender link {id}" if line else _REMEDY[SenderState(sender.state)]


def _trouble(sender: Sender, gate: Gate | None) -> str:
    if sender.state == SenderState.PAUSED:
        return f"paused ({sender.state_reason})"
    if sender.line_state not in line_states.SENDING:
        return line_states.line_sentence(sender)
    if gate is None:
        return ""
    shut = gate.blocked_until is not None and gate.blocked_until > clock.now()
    if gate.failures >= PROBE_AFTER:
        return f"{gate.failures} faults in a row ({gate.reason})"
    return f"held back for now ({gate.reason})" if shut else ""


def grants(services: Services) -> Iterator[Finding]:
    """Permissions of HighLevel that have ended."""
    with services.database.read() as session:
        dead = session.scalars(select(Grant.ghl_id).where(Grant.state == GrantState.DEAD).limit(SHOWN)).all()
        count = session.scalar(select(func.count()).select_from(Grant).where(Grant.state == GrantState.ACTIVE))
    if dead:
        yield warn("grants", f"HighLevel's permission has ended for {', '.join(dead)}.", "Install the app again there.")
    else:
        yield ok("grants", f"{count} in force")


def alerts(services: Services) -> Iterator[Finding]:
    """What the overview page shows in red."""
    with services.database.read() as session:
        kinds = session.execute(
            select(Alert.kind, func.count()).where(Alert.closed_at.is_(None)).group_by(Alert.kind)
        ).all()
    if kinds:
        says = ", ".join(f"{kind} {count}" for kind, count in sorted(map(tuple, kinds)))
        yield warn("alerts", f"open: {says}", "See the overview page, and docs/operations.md for each kind.")
    else:
        yield ok("alerts", "none open")

"""`flask restore`: after a backup was brought back, nothing goes out a second time without a person's word."""

import click
from flask.cli import AppGroup

from portal.cli.answers import say, services
from portal.credits import charging
from portal.errors import PortalError
from portal.journal.replay import drain
from portal.messaging import decisions, replay, restoring, windows
from portal.worker.presence import workers

restore = AppGroup("restore", help="What to do after a backup was restored, before the workers start.")

WHO = "flask restore"


@restore.command("hold")
@click.option(
    "--trust-spool",
    is_flag=True,
    help="The spool is not from a backup: what it holds was never sent, and goes out when the portal starts.",
)
def hold(trust_spool: bool) -> None:
    """Keeps all that may have gone out since the backup from going out again by itself. Run it with no worker alive."""
    parts = services()
    if alive := workers(parts.database, parts.settings):
        raise click.ClickException(
            f"{alive} worker(s) of this portal are running: stop them, restore again, then hold."
        )
    spooled = 0 if trust_spool else drain(parts.database, parts.spool)
    messages = events = 0
    while True:
        with parts.database.write() as session:
            done = restoring.hold_messages(session)
        messages += done
        if not done:
            break
    with parts.database.write() as session:
        repetitions = restoring.forget_repetitions(session)
    place = -1
    while place:
        with parts.database.write() as session:
            parked, place = restoring.park_events(session, max(place, 0))
        events += parked
    with parts.database.write() as session:
        looked_up = restoring.look_before_posting(session)
        charges = charging.doubt(session)
        windows.doubt(session)
        restoring.waiting(session)
    say(
        {
            "messages_unknown": messages,
            "repetitions_dropped": repetitions,
            "events_parked": events,
            "inbound_to_look_up": looked_up,
            "charges_to_look_up": charges,
            "spooled_replayed": spooled,
        }
    )


@restore.command("send-again")
@click.option("--location", "location_id", help="The HighLevel sub-account id; without it all of them.")
def send_again(location_id: str | None) -> None:
    """You take the risk of second copies: sends what `hold` kept, and replays the webhooks that it set aside."""
    _decide(location_id, again=True)


@restore.command("give-up")
@click.option("--location", "location_id", help="The HighLevel sub-account id; without it all of them.")
def give_up(location_id: str | None) -> None:
    """What `hold` kept counts as failed, HighLevel is told, and the webhooks that it set aside are never applied."""
    _decide(location_id, again=False)


def _decide(location_id: str | None, *, again: bool) -> None:
    database = services().database
    with database.read() as session:
        messages = restoring.messages_waiting(session, location_id)
        events = restoring.events_waiting(session, location_id)
    decided = 0
    for message_id in messages:
        try:
            with database.write() as session:
                (decisions.send_again if again else decisions.give_up)(session, message_id, WHO)
            decided += 1
        except PortalError as error:
            say({"message": message_id, "fault": error.message})
    for event_id in events:
        with database.write() as session:
            if again:
                replay.replay(session, event_id)
            else:
                restoring.leave_event(session, event_id)
    with database.write() as session:
        left = restoring.waiting(session)
    say({"messages": decided, "events": len(events), "still_waiting": left.messages + left.events})

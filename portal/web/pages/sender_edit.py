"""`/senders/<id>/settings`: its name, default, pace, place in the order, and its credentials, which are never shown."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.channels.setup import API_URL, guide_of
from portal.errors import InvalidInput
from portal.messaging import sender_settings
from portal.messaging import senders as domain
from portal.messaging.sender_faults import FieldFault
from portal.models import Sender
from portal.web.context import services
from portal.web.pages import routes, sender_form
from portal.web.pages.queries.scope import location_ids
from portal.web.pages.queries.senders import Line
from portal.web.pages.sender_checks import Faults, faults_of, may_go_inside, proven, sealed, unsealed
from portal.web.pages.sender_form import Typed
from portal.web.pages.senders import mine
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

ANEW = "The address changes: type this again, so that what is stored cannot go to somebody else."


@dataclass(frozen=True, slots=True)
class Again:
    """The page once more: what was typed into which form, and what is wrong with it."""

    typed: Typed | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    credentials: Faults = field(default_factory=Faults)
    fields: Mapping[str, str] = field(default_factory=dict)


@routes.get("/senders/<int:sender_id>/settings", Permission.MANAGE)
def sender_settings_page(sender_id: int) -> ResponseReturnValue:
    """All that can be set."""
    return _page(sender_id, Again())


@routes.post("/senders/<int:sender_id>/name", Permission.MANAGE)
def rename_sender(sender_id: int) -> ResponseReturnValue:
    """Gives it another name."""

    def change(session: Session) -> None:
        sender_settings.rename(session, sender_id, request.form.get("name", ""))

    return _do(sender_id, change, "renamed", "The name is kept.")


@routes.post("/senders/<int:sender_id>/pace", Permission.MANAGE)
def set_sender_pace(sender_id: int) -> ResponseReturnValue:
    """Sets how many messages a second go out."""

    def change(session: Session) -> None:
        scope = viewer().scope
        reach = None if scope.everything else location_ids(session, scope)
        pace = sender_settings.parse_pace(request.form.get("pace", ""))
        sender_settings.set_pace(session, sender_id, pace, reach)

    return _do(sender_id, change, "pace", "The pace is kept.", _pace)


@routes.post("/senders/<int:sender_id>/default", Permission.MANAGE)
def set_default_sender(sender_id: int) -> ResponseReturnValue:
    """Makes it the default of its sub-account, or no default any more."""
    wanted = request.form.get("wanted", "yes") == "yes"

    def change(session: Session) -> None:
        (domain.make_default if wanted else sender_settings.no_default)(session, sender_id)

    done = "It is the default now: what waited for a default is tried." if wanted else "It is the default no longer."
    return _do(sender_id, change, "default" if wanted else "no default", done)


@routes.post("/senders/<int:sender_id>/move", Permission.MANAGE)
def move_sender(sender_id: int) -> ResponseReturnValue:
    """One place up or down in the order of its sub-account."""
    up = request.form.get("to") != "down"
    with services().database.write() as session:
        line = mine(session, sender_id)
        with audit.deed(session, viewer(), "moved in the order", line.sender):
            sender_settings.move(session, sender_id, up=up)
    _note(sender_id, "moved")
    name = line.sender.name
    flash(f"{name} stands one place higher." if up else f"{name} stands one place lower.", "ok")
    place = None if viewer().location_id else line.location.ghl_id
    return redirect(url_for(".sender_list", location=place, _anchor=f"sender-{sender_id}"), 303)


@routes.post("/senders/<int:sender_id>/credentials", Permission.MANAGE)
def change_credentials(sender_id: int) -> ResponseReturnValue:
    """Asks the provider, then replaces what was typed; until then the old ones stay in use."""
    with services().database.read() as session:
        line = mine(session, sender_id)
    parts = services()
    draft = unsealed(_purpose(line.sender))
    typed = sender_form.read(line.channel, request.form)
    secrets = {name: value for name, value in {**draft.secrets, **typed.secrets}.items() if name not in typed.removed}
    changes = {**typed.values, **secrets, **dict.fromkeys(typed.removed, "")}
    wanted = domain.with_changes(parts.database, parts.vault, sender_id, changes, typed.api_url)
    inside = wanted.operator or may_go_inside()
    wanted = replace(wanted, operator=inside, lenient=parts.settings.allow_private_hosts)
    try:
        _refuse_leak(line, typed, secrets)
        said = proven(wanted, draft)

        def change(session: Session) -> None:
            row = mine(session, sender_id).sender
            before = _set(row)
            changed = domain.change(session, parts.vault, sender_id, changes, wanted)
            sender_settings.refuse_taken(session, changed, domain.address_field(wanted.credentials))
            session.flush()
            _note_set(session, row, before, _set(row))

        parts.database.patiently(change)
    except InvalidInput as error:
        return _page(sender_id, Again(typed, secrets, faults_of(error, wanted)))
    _note(sender_id, "credentials changed")
    flash(f"The credentials are kept. {said}", "ok")
    return redirect(url_for(".sender", sender_id=sender_id), 303)


def _refuse_leak(line: Line, typed: Typed, secrets: Mapping[str, str]) -> None:
    """Stored secrets go to the address that they were entered for: with another one they have to be typed again.

    Otherwise whoever may change a sender, but not read its secrets, could have them sent to a server of their own.
    Raises `FieldFault`.
    """
    stored = services().vault.open_fields(line.sender.credentials)
    given = {**typed.values, **secrets}
    urls = [each.name for each in line.channel.fields if each.name.endswith("_url")]
    moved = typed.api_url.rstrip("/") != line.sender.api_url
    moved = moved or any(given[name] != stored.get(name, "") for name in urls if name in given)
    secret = [each.name for each in line.channel.fields if each.secret]
    kept = [name for name in secret if stored.get(name) and name not in secrets and name not in typed.removed]
    if moved and kept:
        raise FieldFault(ANEW, dict.fromkeys(kept, ANEW))


_ACTIONS = {
    "renamed": "renamed",
    "pace": "changed the pace of",
    "default": "made the default",
    "no default": "made the default no longer",
}
Facts = Mapping[str, Any]


def _do(
    sender_id: int,
    change: Callable[[Session], object],
    decided: str,
    done: str,
    facts: Callable[[Session, Sender], Facts] = lambda _, row: audit.snapshot(row),
) -> ResponseReturnValue:
    def decide(session: Session) -> None:
        row = mine(session, sender_id).sender
        before = facts(session, row)
        change(session)
        session.flush()
        session.expire_all()
        audit.note(session, viewer(), _ACTIONS[decided], row, before, facts(session, row))

    try:
        services().database.patiently(decide)
    except FieldFault as error:
        return _page(sender_id, Again(fields=error.faults))
    _note(sender_id, decided)
    flash(done, "ok")
    return redirect(url_for(".sender_settings_page", sender_id=sender_id), 303)


def _pace(session: Session, row: Sender) -> Facts:
    gate = sender_settings.pace_of(session, row)
    return {"messages a second": f"{gate.pace:g}" if gate is not None and gate.pace > 0 else "no limit of ours"}


def _set(row: Sender) -> dict[str, str]:
    """What is kept of a sender's settings, opened: for comparing only."""
    return {**services().vault.open_fields(row.credentials), API_URL: row.api_url}


def _note_set(session: Session, row: Sender, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Which fields were changed, not what stood in them; but where a sender's secrets go is told."""
    names = sorted(name for name in {*before, *after} if before.get(name, "") != after.get(name, ""))
    was, now = {"API address": before[API_URL]}, {"API address": after[API_URL], "fields that were set": names}
    audit.note(session, viewer(), "changed the credentials of", row, was, now)


def _page(sender_id: int, again: Again) -> ResponseReturnValue:
    with services().database.read() as session:
        line = mine(session, sender_id)
        pace = sender_settings.pace_of(session, line.sender)
    stored = services().vault.open_fields(line.sender.credentials)
    hidden = {each.name: stored[each.name] for each in line.channel.fields if each.secret and stored.get(each.name)}
    typed = again.typed or Typed(stored, {}, frozenset(), line.sender.api_url, "")
    wrong = again.credentials.fields
    context: dict[str, Any] = {
        "line": line,
        "guide": guide_of(line.channel),
        "form": sender_form.laid_out(line.channel, typed, wrong, again.secrets, hidden),
        "faults": again.credentials,
        "draft": sealed(_purpose(line.sender), again.secrets, again.credentials),
        "fields": again.fields,
        "name": request.form.get("name", line.sender.name) if "name" in again.fields else line.sender.name,
        "pace": pace,
        "typed_pace": request.form.get("pace", "") if "pace" in again.fields else _shown_pace(pace),
    }
    status = 422 if again.credentials.general or again.fields else 200
    return htmx.render("pages/sender_settings.html", "content", status, **context)


def _shown_pace(pace: Any) -> str:
    return f"{pace.pace:g}" if pace is not None and pace.own_pace and pace.pace > 0 else ""


def _purpose(sender: Sender) -> str:
    return f"edit {viewer().id} {sender.id}"


def _note(sender_id: int, decided: str) -> None:
    log.info("sender decided", extra={"user": viewer().id, "sender_id": sender_id, "decided": decided})

"""The linked phone behind an instance: its state, linking it, unlinking it, starting the instance anew."""

import base64
import binascii
from typing import Any

from portal.channels.base import Account, ChannelError, Line, LineState, Probe, Scope
from portal.channels.capabilities import LinkCode
from portal.channels.green_api import codes
from portal.channels.green_api.chats import phone as e164
from portal.channels.green_api.codes import STATES
from portal.channels.green_api.wire import ask
from portal.http import HttpClient

LARGEST_IMAGE = 200_000
PNG = b"\x89PNG"


def line(http: HttpClient, account: Account) -> Line:
    """The state and the number in one answer (GetWaSettings). An instance that is gone is a state, not an error."""
    try:
        said = ask(http, account, "getWaSettings")
    except ChannelError as error:
        if error.code in (codes.STARTING, codes.NOT_LINKED):
            # Of the two that the second may mean, only the first passes by itself; the next answer tells.
            return described("starting")
        if error.code in (codes.EXPIRED, codes.DELETED):
            return described(error.code)
        raise
    if said is None:
        return described("starting")  # the body is `null` while an instance is being created
    state = said.get("stateInstance") if isinstance(said, dict) else None
    if not isinstance(state, str) or state not in STATES:
        raise ChannelError(
            f"GREEN-API tells a state that is not known here: {str(state)[:40]!r}.",
            code="unknown_state",
            scope=Scope.SENDER,
            retry=True,
        )
    return described(state, e164(said.get("phone")))


def described(state: str, address: str = "") -> Line:
    """GREEN-API's word on a line, with its sentence."""
    known, sentence = STATES[state]
    return Line(known, state, sentence, address)


def probe(http: HttpClient, account: Account) -> Probe:
    """Are instance id and token good? A phone that is not linked yet is no fault: it is linked afterwards."""
    try:
        found = line(http, account)
    except ChannelError as error:
        if error.code in ("401", "403", "404", codes.INVALID, codes.CHATS_USED_UP, codes.CALLS_USED_UP, codes.QUOTA):
            field = {"401": "api_token", "403": "id_instance", "404": "id_instance"}.get(error.code, "")
            return Probe(False, error.message, field=field)
        raise
    facts = {"state": found.code} | ({"number": found.address} if found.address else {})
    if found.state is LineState.GONE:
        return Probe(False, found.detail, facts, "id_instance")
    if found.state is LineState.READY:
        return Probe(True, f"GREEN-API knows the instance. It writes as {found.address or 'a number not told'}.", facts)
    return Probe(True, f"GREEN-API knows the instance. {found.detail}", facts)


def link_code(http: HttpClient, account: Account) -> LinkCode:
    """The QR code of now, which GREEN-API renews every 20 seconds."""
    try:
        said = ask(http, account, "qr")
    except ChannelError as error:
        if error.code in (codes.STARTING, codes.NOT_LINKED):
            return LinkCode(detail="GREEN-API starts the line: the code comes within five minutes.")
        raise
    kind, message = _field(said, "type"), _field(said, "message")
    if kind == "alreadyLogged":
        return LinkCode(linked=True)
    if kind == "qrCode" and _is_png(message):
        return LinkCode(image=message.strip())
    return LinkCode(detail="GREEN-API has no code to scan yet: it is asked again by itself.")


def pairing_code(http: HttpClient, account: Account, number: str) -> str:
    """The code to type on the phone, good for two and a half minutes."""
    digits = e164(number).removeprefix("+")
    if not digits:
        raise ChannelError("A pairing code is made for a phone number with its country code.", code="phone")
    said = ask(http, account, "getAuthorizationCode", json={"phoneNumber": int(digits)})
    code = _field(said, "code").strip()
    if not isinstance(said, dict) or said.get("status") is not True or not 4 <= len(code) <= 16:
        raise ChannelError(
            "GREEN-API gave no pairing code: it may be linked already, or too many were asked for. Wait, or scan.",
            code="no_code",
            retry=True,
        )
    return code


def sign_out(http: HttpClient, account: Account) -> None:
    """Unlinks the phone."""
    _done(ask(http, account, "logout"), "isLogout", "GREEN-API did not sign the phone out: try again.")


def restart(http: HttpClient, account: Account) -> None:
    """Starts the instance anew: what it has queued stays."""
    _done(ask(http, account, "reboot"), "isReboot", "GREEN-API did not restart the line: try again.")


def _done(said: Any, name: str, sentence: str) -> None:
    if not isinstance(said, dict) or said.get(name) is not True:
        raise ChannelError(sentence, code="refused", retry=True)


def _field(said: Any, name: str) -> str:
    value = said.get(name) if isinstance(said, dict) else None
    return value if isinstance(value, str) else ""


def _is_png(text: str) -> bool:
    """What is shown as an image is one, and no address or markup."""
    if not 0 < len(text) <= LARGEST_IMAGE:
        return False
    try:
        return base64.b64decode(text.strip(), validate=True).startswith(PNG)
    except (ValueError, binascii.Error):
        return False

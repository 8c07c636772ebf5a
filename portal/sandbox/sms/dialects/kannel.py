"""A Kannel, and a Jasmin beside it: plain words out, calls by GET with what customers write and with reports."""

import uuid
from collections.abc import Mapping, Sequence
from urllib.parse import unquote_to_bytes, urlencode

from flask import Blueprint, Response, jsonify, request

from portal.sandbox.sms import messages as words
from portal.sandbox.sms.messages import Hook, Order, Sent, Written
from portal.sandbox.sms.serving import note, provider, take

KIND = "kannel"
USER, PASSWORD = "sandbox", "sandbox-kannel-password"
# The number says which of the two gateways a customer's text comes through.
NUMBER, JASMIN_NUMBER = "21583", "21584"
LONGEST = 1530
_NUMBER_CHARACTERS = set("0123456789 +-")
# Our words → Kannel's report value and the carrier's words; Jasmin gives the state alone.
REPORTS: Mapping[str, tuple[str, str]] = {
    words.SENT: ("8", ""),
    words.DELIVERED: ("1", "DELIVRD"),
    words.UNDELIVERED: ("2", "UNDELIV"),
    words.REJECTED: ("16", "REJECTD"),
    words.EXPIRED: ("34", "EXPIRED"),
    words.FAILED: ("2", "DELETED"),
}
FAULTS = {
    403: "Authorization failed for sendsms",
    404: "Unknown request.",
    503: "Temporal failure, try again later.",
}

blueprint = Blueprint(KIND, __name__)


@blueprint.get("/cgi-bin/sendsms")
@blueprint.route("/send", methods=["GET", "POST"])
def send() -> Response:
    """Takes a message: Kannel's path or Jasmin's."""
    return _jasmin(request.values) if request.path.endswith("/send") else _kannel()


@blueprint.get("/balance")
def balance() -> Response:
    """What Jasmin's user has left."""
    if not _known(request.values):
        response = jsonify("Authentication failure for username:" + request.values.get("username", ""))
        response.status_code = 403
        return response
    return jsonify(balance=provider(KIND).balance, sms_count="ND")


class Kannel:
    """One user, `credentials`, in both gateways."""

    kind = KIND
    title = "Kannel"
    blueprint = blueprint
    credentials: Mapping[str, str] = {"username": USER, "password": PASSWORD, "from": NUMBER}
    tries = 4
    reports = delivers = names_calls = hears = True

    def refusal(self, status: int) -> tuple[str, str]:
        """An error as Kannel words it."""
        return FAULTS.get(status, "The sandbox's fault panel made this happen"), "text/plain"

    def receipt(self, sent: Sent, word: str) -> Sequence[Hook]:
        """Kannel fills in the address that it was given; Jasmin adds fields of its own to it."""
        value, state = REPORTS[word]
        url = sent.order.callback
        if sent.order.extra.get("jasmin"):
            told = {"id": sent.id, "level": "3", "message_status": state or "ESME_ROK", "connector": "sandbox"}
            return [Hook("GET", f"{url}{'&' if '?' in url else '?'}{urlencode(told)}")]
        reply = f"id:{sent.id} sub:001 dlvrd:001 stat:{state} err:000 text:" if state else "ACK/"
        named = {"%d": value, "%A": reply, "%F": sent.id[:10], "%T": str(int(sent.at))}
        for code, filled in named.items():
            url = url.replace(code, urlencode({"": filled})[1:])
        return [Hook("GET", url)]

    def inbound(self, written: Written) -> Sequence[Hook]:
        """As the get-url that the documentation gives; Jasmin's router has fields of its own."""
        number = written.to or NUMBER
        plain = all(ord(character) < 128 for character in written.text)
        text = written.text.encode() if plain else written.text.encode("utf-16-be")
        if number == JASMIN_NUMBER:
            said: dict[str, str | bytes] = {"id": written.id, "from": written.from_number, "to": number}
            said |= {"origin-connector": "sandbox", "coding": "0" if plain else "8", "content": text}
            return [Hook("POST", written.url, urlencode(said).encode(), _FORM)]
        said = {"id": written.id, "from": written.from_number, "to": number, "text": text}
        said |= {"coding": "0" if plain else "2", "charset": "UTF-8" if plain else "UTF-16BE"}
        said["time"] = str(int(written.at))
        return [Hook("GET", f"{written.url}?{urlencode(said)}")]


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def _known(given: Mapping[str, str]) -> bool:
    return (given.get("username"), given.get("password")) == (USER, PASSWORD)


def _kannel() -> Response:
    given = request.args
    if not _known(given):
        return _said(403, "Authorization failed for sendsms")
    to = given.get("to", "")
    if not to:
        return _said(400, "Missing receiver number, rejected")
    text = _text(given.get("coding", ""))
    note(to, text)
    if set(to) - _NUMBER_CHARACTERS:
        return _said(400, "Number(s) has/have been denied by white- and/or black-lists.")
    sender = given.get("from", "")
    if not sender:
        return _said(400, "Sender missing and no global set, rejected")
    callback = given.get("dlr-url", "") if int(given.get("dlr-mask", "0")) & 3 else ""
    take(KIND, Order(USER, to, text[:LONGEST], sender, callback))
    return _said(202, "0: Accepted for delivery")


def _text(coding: str) -> str:
    """Kannel reads the text's bytes in the charset that is named; Flask would take them for UTF-8."""
    raw = dict(pair.partition("=")[::2] for pair in request.query_string.decode("latin-1").split("&")).get("text", "")
    if coding != "2":
        return request.args.get("text", "")
    return _bytes(raw).decode("utf-16-be", "replace")


def _bytes(quoted: str) -> bytes:
    return unquote_to_bytes(quoted.replace("+", " "))


def _jasmin(given: Mapping[str, str]) -> Response:
    if not _known(given):
        return _said(403, f'Error "Authentication failure for username:{given.get("username", "")}"')
    to = given.get("to", "")
    hexed = given.get("hex-content", "")
    text = bytes.fromhex(hexed).decode("utf-16-be", "replace") if hexed else given.get("content", "")
    note(to, text)
    if not to.removeprefix("+").isdigit():
        return _said(400, f'Error "Argument [to] has an invalid value: [{to}]."')
    if not text:
        return _said(400, 'Error "content or hex-content not present."')
    callback = given.get("dlr-url", "") if given.get("dlr") == "yes" else ""
    order = Order(USER, to, text, given.get("from", ""), callback, extra={"jasmin": True})
    return _said(200, f'Success "{take(KIND, order, str(uuid.uuid4())).id}"')


def _said(status: int, words_: str) -> Response:
    return Response(words_, status, content_type="text/plain")


DIALECT = Kannel()

"""One call to an instance's API, and what its refusals mean.

The token stands in the path. No error names a path (`portal/http.py` tells the host alone), and of what GREEN-API
answers only its `message` is ever repeated, without the token: its error bodies hold the whole path.
"""

import json as codec
import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import quote

from portal.channels.base import Account, ChannelError, Scope
from portal.channels.green_api import codes
from portal.channels.green_api.codes import REFUSALS, WORDS, Refusal
from portal.channels.green_api.fields import api_host, instance, media_host, token
from portal.http import HttpClient, NotSent, OutcomeUnknown, Response

LONGEST_WORDS = 160
BETA_METHODS = frozenset(("sendInteractiveButtons", "sendInteractiveButtonsReply"))


def call(
    http: HttpClient,
    account: Account,
    method: str,
    *,
    json: Mapping[str, Any] | None = None,
    params: Mapping[str, str] | None = None,
    form: tuple[bytes, str] | None = None,
) -> Response:
    """GET, or POST when there is something to send. Raises `ChannelError` when there is no whole answer.

    `form` is a body and its content type; it goes to the host for files.
    """
    verb = "GET" if json is None and form is None else "POST"
    sends = method.startswith("send")
    url = address(account, api_host(account) if form is None else media_host(account), method)
    data, headers = (form[0], {"Content-Type": form[1]}) if form is not None else (None, None)
    try:
        return http.request(
            verb, url, headers=headers, json=json, data=data, params=params, private_hosts=account.private_hosts
        )
    except NotSent as error:
        raise ChannelError(error.message, scope=Scope.SENDER, retry=True) from error
    except OutcomeUnknown as error:
        raise ChannelError(error.message, scope=Scope.SENDER, retry=not sends, unknown=sends) from error


def address(account: Account, host: str, method: str) -> str:
    """`{host}/waInstance{id}/{method}/{token}`."""
    who, secret = instance(account.credentials), token(account.credentials)
    return f"{host}/waInstance{quote(who, safe='')}/{method}/{quote(secret, safe='')}"


def read(answer: Response) -> Any:
    """The answer's JSON, None when it is none."""
    try:
        return answer.json()
    except ValueError:
        return None


def ask(
    http: HttpClient,
    account: Account,
    method: str,
    *,
    json: Mapping[str, Any] | None = None,
    params: Mapping[str, str] | None = None,
) -> Any:
    """What a method answers. Raises `ChannelError` for anything but 200 with JSON."""
    answer = call(http, account, method, json=json, params=params)
    said = read(answer)
    if answer.status != 200 or (said is None and answer.body.strip() != b"null"):
        refuse(account, method, answer)
    return said


def refuse(account: Account, method: str, answer: Response) -> NoReturn:
    """Raises what the answer means."""
    code, found = verdict(method, answer)
    sends = method.startswith("send")
    doubt = found.doubt and sends
    sentence = found.sentence
    if found.doubt and not sends:
        sentence = f"GREEN-API had an error of its own (HTTP {answer.status}): it is asked again by itself."
    if code == codes.INVALID and (words := _words(answer, account)):
        sentence = f"GREEN-API does not accept it: {words}."
    raise ChannelError(
        sentence,
        code=code,
        scope=found.scope,
        retry=found.retry or (found.doubt and not sends),
        retry_after=answer.retry_after(),
        unknown=doubt,
        stops=found.stops,
    )


def verdict(method: str, answer: Response) -> tuple[str, Refusal]:
    """The code of an answer that is no success, and what it means."""
    status = answer.status
    if status == 466:
        return _quota(answer)
    by_words = next((code for words, code in WORDS if words in _text(answer).lower()), "")
    if status == 413 or (status == 500 and by_words == codes.TOO_LARGE):
        return codes.TOO_LARGE, REFUSALS[codes.TOO_LARGE]
    if status == 400:
        code = by_words or codes.INVALID
        return code, REFUSALS[code]
    if status == 403 and method in BETA_METHODS:
        return "403", REFUSALS["beta"]
    if found := REFUSALS.get(str(status)):
        return str(status), found
    return str(status), _unlisted(status)


def _unlisted(status: int) -> Refusal:
    if status < 300 or status in (408, 409) or status >= 500:
        return Refusal(
            Scope.SENDER, False, f"GREEN-API's answer cannot be used (HTTP {status}): it may have gone out.", doubt=True
        )
    if status < 400:
        return Refusal(Scope.SENDER, True, f"GREEN-API is not at this address (HTTP {status}): check the API address.")
    return Refusal(Scope.MESSAGE, False, f"GREEN-API refused it, for a reason not known here (HTTP {status}).")


def _quota(answer: Response) -> tuple[str, Refusal]:
    """466 says which quota is used up: that of chats still lets the known chats be written to."""
    said = read(answer)
    for part, code in (("correspondentsStatus", codes.CHATS_USED_UP), ("invokeStatus", codes.CALLS_USED_UP)):
        status = said.get(part) if isinstance(said, dict) else None
        if isinstance(status, dict) and "EXCEEDED" in str(status.get("status")):
            return code, REFUSALS[code]
    return codes.QUOTA, REFUSALS[codes.QUOTA]


def _text(answer: Response) -> str:
    """What an error says: its `message`, or a body that is no JSON object (an object may hold the path)."""
    said = read(answer)
    if isinstance(said, dict):
        message = said.get("message")
        return message if isinstance(message, str) else codec.dumps(message) if message else ""
    return said if isinstance(said, str) else answer.body[:2000].decode("utf-8", "replace")


def _words(answer: Response, account: Account) -> str:
    """The message for a person: one line, no markup, and nothing that could be the token."""
    text = " ".join(_text(answer).split())
    if "<" in text or text.lower() in ("", "bad request data"):
        return ""
    secret = token(account.credentials)
    text = text.replace(secret, "…") if secret else text
    return re.sub(r"/waInstance\S*", "…", text)[:LONGEST_WORDS].rstrip(" .")

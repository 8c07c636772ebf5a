"""Calls to Vonage's API, and what its answers mean: a refusal comes with HTTP 200 and a status in the body."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import urlencode

from portal.channels import calling
from portal.channels.base import Account, ChannelError
from portal.channels.calling import said_object
from portal.channels.refusals import Refusal, by_status, invalid, refuse
from portal.channels.values import blocks, text
from portal.channels.vonage.codes import ERRORS, INCOMPLETE, NAME, PARTLY, REFUSED_FOR, TAKEN
from portal.http import HttpClient, Response

PUBLIC_URL = "https://rest.nexmo.com"
_CODE = re.compile(r"[0-9]{1,4}", re.ASCII)


def post(http: HttpClient, account: Account, form: Sequence[tuple[str, str]]) -> Response:
    """The call that sends. Raises `ChannelError` when there is no whole answer."""
    mine = account.credentials
    secrets = [("api_key", mine.get("api_key", "")), ("api_secret", mine.get("api_secret", ""))]
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    data = urlencode([*secrets, *form], errors="replace")
    url = f"{calling.base(account, PUBLIC_URL)}/sms/json"
    return calling.call(http, account, "POST", url, sends=True, headers=headers, data=data)


def ask(http: HttpClient, account: Account, path: str) -> Response:
    """A question about the account. Raises `ChannelError` when there is no whole answer."""
    pair = f"{account.credentials.get('api_key', '')}:{account.credentials.get('api_secret', '')}"
    headers = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    url = f"{calling.base(account, PUBLIC_URL)}{path}"
    return calling.call(http, account, "GET", url, sends=False, headers=headers)


def taken(answer: Response) -> Sequence[Mapping[str, Any]]:
    """One object for each SMS of the text, all of them taken. Raises `ChannelError` for everything else.

    A text that was taken in part is lost as a whole, and must not be repeated: what went out would come twice.
    """
    told = blocks(said_object(answer).get("messages"))
    if answer.status not in (200, 201) or not told:
        refused(answer, _code(told[0]) if told else "")
    codes = [_code(each) for each in told]
    lost = next((code for code in sorted(codes, key=_is_certain) if code != TAKEN), None)
    if lost is None:
        return told
    if TAKEN not in codes:
        refused(answer, lost)
    why = (meaning(lost) or by_status(NAME, answer.status)).sentence
    raise ChannelError(PARTLY.format(taken=codes.count(TAKEN), all=len(codes), why=why), code=INCOMPLETE)


def meaning(code: str) -> Refusal | None:
    """What a status means; one that is not known is the message's own fault."""
    return ERRORS.get(code) or (invalid(REFUSED_FOR.format(code=code)) if code and code != TAKEN else None)


def refused(answer: Response, code: str = "", *, sends: bool = True) -> NoReturn:
    """Raises what the answer means. A code in a 5xx does not say whether the message was taken."""
    known = ERRORS.get(code) if answer.status < 500 else None
    refuse(NAME, answer, code, known or (meaning(code) if answer.status in (200, 400) else None), sends=sends)


def _is_certain(code: str) -> bool:
    """Does it say for sure that this SMS was not taken? One that does not goes before all others of the text."""
    found = meaning(code)
    return found is not None and not found.doubt


def _code(said: Mapping[str, Any]) -> str:
    found = text(said.get("status"))
    return found if _CODE.fullmatch(found) else ""

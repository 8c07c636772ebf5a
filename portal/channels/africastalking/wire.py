"""One call to the API, and what an answer says of the one recipient that was asked for."""

import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urlencode

from portal.channels import calling
from portal.channels.africastalking.codes import ERRORS, NAME, NOBODY, TAKEN_FOR_NOBODY, TOO_FAST, WORDS
from portal.channels.africastalking.fields import public_url
from portal.channels.base import Account
from portal.channels.callbacks import digits
from portal.channels.refusals import refuse
from portal.channels.values import block, blocks, text
from portal.http import HttpClient, Response

_CODE = re.compile(r"[0-9]{3}", re.ASCII)
_WORD = re.compile(r"[A-Za-z]{3,40}", re.ASCII)


def call(
    http: HttpClient, account: Account, path: str, form: Mapping[str, str] | None = None, *, sends: bool = False
) -> Response:
    """GET of what belongs to the user, or POST of a form. Raises `ChannelError` when there is no whole answer."""
    url = f"{calling.base(account, public_url(account.credentials))}/version1{path}"
    headers = {"apiKey": account.credentials.get("api_key", ""), "Accept": "application/json"}
    user = {"username": account.credentials.get("username", "")}
    if form is None:
        return calling.call(http, account, "GET", url, sends=sends, headers=headers, params=user)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    data = urlencode({**user, **form}, errors="replace")
    return calling.call(http, account, "POST", url, sends=sends, headers=headers, data=data)


def told(answer: Response) -> Mapping[str, Any]:
    """`SMSMessageData`, empty when there is none."""
    return block(calling.said_object(answer).get("SMSMessageData"))


def recipient(said: Mapping[str, Any], to: str) -> Mapping[str, Any]:
    """What is said of this number, empty when it is not spoken of. One call has one number."""
    listed = blocks(said.get("Recipients"))
    return next((each for each in listed if digits(text(each.get("number"))) == digits(to)), {})


def code_of(found: Mapping[str, Any]) -> str:
    """A recipient's code, read off its word where the number is missing."""
    code = text(found.get("statusCode"))
    return code if _CODE.fullmatch(code) else WORDS.get(text(found.get("status")), "")


def refused(answer: Response, found: Mapping[str, Any]) -> NoReturn:
    """Raises what the answer to a send means. Only a 2xx speaks of recipients."""
    if answer.status == 429:
        refuse(NAME, answer, "429", TOO_FAST)
    said = told(answer) if answer.status in (200, 201) else {}
    if found:
        code = code_of(found)
        refuse(NAME, answer, code, ERRORS.get(code))
    if said.get("Recipients") == []:
        word = text(said.get("Message"))
        known = ERRORS.get(WORDS.get(word, ""))
        named = word if _WORD.fullmatch(word) else NOBODY
        refuse(NAME, answer, WORDS.get(word, named), known or TAKEN_FOR_NOBODY)
    refuse(NAME, answer)

"""One call to Semaphore's API, and what its answers mean. The key travels in the form, or in a question's query."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import urlencode

from portal.channels import calling
from portal.channels.base import Account
from portal.channels.callbacks import digits
from portal.channels.refusals import Refusal, invalid, refuse
from portal.channels.semaphore.codes import ERRORS, FAULT_FOR, NAME, SENTENCES
from portal.channels.values import blocks, identifier, text
from portal.http import HttpClient, Response

PUBLIC_URL = "https://api.semaphore.co"
BASE = "/api/v4"
# `09171234567`, `639171234567` and `+639171234567` are one number.
_SIGNIFICANT = 10
_FIELD = re.compile(r"[A-Za-z_]{1,30}", re.ASCII)


def ask(http: HttpClient, account: Account, path: str, **more: str) -> Response:
    """GET. Raises `ChannelError` when there is no whole answer."""
    params = {"apikey": account.credentials.get("api_key", ""), **more}
    return calling.call(http, account, "GET", _url(account, path), sends=False, params=params)


def post(http: HttpClient, account: Account, path: str, form: Mapping[str, str]) -> Response:
    """POST of a form, which sends. Raises `ChannelError` when there is no whole answer."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    data = urlencode({"apikey": account.credentials.get("api_key", ""), **form}, errors="replace")
    return calling.call(http, account, "POST", _url(account, path), sends=True, headers=headers, data=data)


def messages(answer: Response) -> list[Mapping[str, Any]]:
    """The messages of a good answer, which is a list also for one; a single one may come without its list."""
    if answer.status not in (200, 201):
        return []
    said = calling.said(answer)
    listed = blocks(said if isinstance(said, list) else [said])
    return [each for each in listed if identifier(each.get("message_id"))]


def entry(answer: Response, to: str) -> Mapping[str, Any]:
    """What is said of the one number that was asked for, empty when it is not spoken of."""
    return next((each for each in messages(answer) if _same(text(each.get("recipient")), to)), {})


def fault(answer: Response) -> tuple[str, Refusal] | None:
    """What the answer itself finds fault with: then nothing was taken, whatever its HTTP status (200 and 500).

    A field that nobody knows (`{"errors": ["Gateway timeout"]}`) proves nothing in a 5xx.
    """
    if answer.status == 429 or messages(answer):
        return None
    for field, words in _complaints(calling.said(answer)):
        code = next((code for part, code in SENTENCES if part in words.lower()), field.lower())
        if code in ERRORS:
            return code, ERRORS[code]
        if field and answer.status < 500:
            return code, invalid(FAULT_FOR.format(field=field))
    return None


def refused(answer: Response, *, sends: bool) -> NoReturn:
    """Raises what an answer means that is not the one that was wanted."""
    code, known = fault(answer) or ("", None)
    refuse(NAME, answer, code, known, sends=sends)


def _complaints(said: Any) -> Iterator[tuple[str, str]]:
    """Each complaint as (field, words): `{"number": ["…"]}`, `[{"senderName": "…"}]`, `["Your current balance …"]`.

    `{"message": "Unauthenticated."}` is no complaint about the text: what it means its HTTP status says.
    """
    for each in said if isinstance(said, list) else [said]:
        if isinstance(each, str):
            yield "", each[:200]
        for field, words in each.items() if isinstance(each, dict) else ():
            if not isinstance(field, str) or not _FIELD.fullmatch(field):
                continue
            if isinstance(words, list) and words and all(isinstance(one, str) for one in words):
                yield field, words[0][:200]
            elif isinstance(words, str) and field.lower() in ERRORS and field.lower() != "message":
                yield field, words[:200]
            elif isinstance(words, str) and field.lower() in ("error", "message"):
                yield "", words[:200]


def _same(number: str, to: str) -> bool:
    found = digits(number)
    return len(found) >= _SIGNIFICANT and found[-_SIGNIFICANT:] == digits(to)[-_SIGNIFICANT:]


def _url(account: Account, path: str) -> str:
    return calling.base(account, PUBLIC_URL) + BASE + path

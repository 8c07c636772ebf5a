"""One text for many numbers in one call, with a result for each."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any

from portal.channels.base import Accepted, Account, BulkResult, ChannelError, Scope
from portal.channels.cast.codes import ERRORS, OPTED_OUT
from portal.channels.cast.fields import SIM, SMS, dialled, product
from portal.channels.cast.wire import call, count, definite, read, refuse
from portal.http import HttpClient

MOST_RECIPIENTS = 1000
PATHS = {SMS: "/sms/bulk", SIM: "/sim/bulk"}
# Of one number in a bulk Cast says that it failed and not why; its credits are refunded.
FAILED, FAILURE = "BULK_FAILED", "Cast could not hand it to the carrier: send it anew."


def limit(credentials: Mapping[str, str]) -> int:
    """How many numbers one call takes; 0 for products without bulk."""
    return MOST_RECIPIENTS if product(credentials) in PATHS else 0


def send(http: HttpClient, account: Account, to: Sequence[str], text: str, key: str) -> list[BulkResult]:
    """One call. Raises `ChannelError` when it did not succeed as a whole, `ValueError` for too many numbers or none."""
    most = limit(account.credentials)
    if most and not 1 <= len(to) <= most:
        raise ValueError(f"a bulk call takes 1 to {most} numbers")
    if not most:
        raise ChannelError("Cast sends this product one message at a time.", code="NO_BULK")
    numbers = [dialled(number, account.credentials) for number in to]
    payload: dict[str, Any] = {"to": numbers, "message": text}
    if sender_id := account.credentials.get("sender_id"):
        payload["sender_id"] = sender_id
    answer = call(http, account, PATHS[product(account.credentials)], json=payload, key=key)
    said = read(answer)
    results = said.get("results")
    if answer.status != 200 or not isinstance(results, list):
        # "success": false without results may also be the head of a batch that went out in part.
        certain = definite(answer, said) and (answer.status != 200 or "error_code" in said)
        refuse(account, answer, said, in_doubt=not certain)
    return [
        BulkResult(asked, _outcome(entry, sandbox=bool(said.get("sandbox"))))
        for asked, entry in zip(to, _in_order(numbers, results), strict=True)
    ]


def _in_order(numbers: Sequence[str], results: Sequence[Any]) -> list[Mapping[str, Any] | None]:
    """Each number's own entry, by its number and not by its place; None for one that Cast does not speak of."""
    found: defaultdict[str, deque[Mapping[str, Any]]] = defaultdict(deque)
    for entry in results:
        if isinstance(entry, dict):
            found[str(entry.get("to"))].append(entry)
    return [found[number].popleft() if found[number] else None for number in numbers]


def _outcome(entry: Mapping[str, Any] | None, *, sandbox: bool) -> Accepted | ChannelError:
    if entry is None or ("success" not in entry and "message_id" not in entry):
        text = "Cast's answer does not speak of this number: it may have gone out."
        return ChannelError(text, code="BULK_SILENT", scope=Scope.SENDER, retry=True, unknown=True)
    if entry.get("success") is not False and entry.get("message_id"):
        return Accepted(str(entry["message_id"]), count(entry.get("parts")), "sandbox" if sandbox else "", sandbox)
    if entry.get("success") is not False:
        text = "Cast took it and gave no id: it may have gone out."
        return ChannelError(text, code="BULK_NO_ID", scope=Scope.SENDER, retry=True, unknown=True)
    code = str(entry.get("error_code") or "")[:60]
    if code not in ERRORS:
        return ChannelError(FAILURE, code=code or FAILED, retry=True)
    scope, retry, sentence = ERRORS[code]
    return ChannelError(
        sentence.format(product="in bulk"), code=code, scope=scope, retry=retry, opted_out=code in OPTED_OUT
    )

"""The same request twice: its answer is kept with what it did, in one transaction, and given again.

The claim is a row that only one transaction can insert. Whoever comes second waits for the first to end: then it either
finds the answer, or, when the first was rolled back or killed, does the work itself.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.database import insert
from portal.errors import InvalidInput, PortalError
from portal.models import ApiAnswer

KEPT = timedelta(hours=48)
LONGEST = 200
_AT_ONCE = 1000


class OtherRequest(PortalError):
    """Another request was made under the same key."""

    http_status = 409


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: the status, and the body as it was sent."""

    status: int
    body: bytes


def check(key: str) -> str:
    """The key, as it was given. Raises `InvalidInput` for one that no program would make."""
    if not 1 <= len(key) <= LONGEST or not key.isascii() or not key.isprintable():
        raise InvalidInput(f"An Idempotency-Key has 1 to {LONGEST} printable ASCII characters.")
    return key


def fingerprint(*parts: bytes) -> str:
    """What tells one request from another: its method, path and meaning."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def earlier(session: Session, key_id: int, key: str, print_: str) -> Answer | None:
    """The answer that the same request has had. Raises `OtherRequest`."""
    same = ApiAnswer.key_id == key_id, ApiAnswer.idempotency_key == key
    found = session.scalar(select(ApiAnswer).where(*same))
    if found is None:
        return None
    if found.fingerprint != print_:
        raise OtherRequest("This Idempotency-Key was used for another request: give each request its own.")
    return Answer(found.status, found.body)


def claim(session: Session, key_id: int, key: str, print_: str) -> Answer | None:
    """None: the request is this transaction's to carry out. Else what it was answered. Raises `OtherRequest`."""
    values = {"key_id": key_id, "idempotency_key": key, "fingerprint": print_, "created_at": clock.now()}
    new = insert(session, ApiAnswer).values(**values, status=0, body=b"")
    mine = session.scalar(
        new.on_conflict_do_nothing(index_elements=["key_id", "idempotency_key"]).returning(ApiAnswer.id)
    )
    return None if mine is not None else earlier(session, key_id, key, print_)


def keep(session: Session, key_id: int, key: str, answer: Answer) -> None:
    """Writes the answer down, in the transaction that claimed the key."""
    same = ApiAnswer.key_id == key_id, ApiAnswer.idempotency_key == key
    session.execute(update(ApiAnswer).where(*same).values(status=answer.status, body=answer.body))


def forget(session: Session) -> int:
    """Deletes answers that are older than they are kept; how many."""
    old = select(ApiAnswer.id).where(ApiAnswer.created_at < clock.now() - KEPT).limit(_AT_ONCE)
    gone = session.execute(delete(ApiAnswer).where(ApiAnswer.id.in_(old.with_for_update(skip_locked=True))))
    return int(gone.rowcount)  # type: ignore[attr-defined]

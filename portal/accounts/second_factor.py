"""The second factor: codes of an app on the phone (TOTP, RFC 6238), and recovery codes for when the phone is gone."""

import secrets
from collections.abc import Sequence

from pyotp import TOTP, random_base32
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts import audit, throttle
from portal.accounts.sessions import end_all
from portal.accounts.users import locked
from portal.crypto import Vault, fingerprint
from portal.database import Database
from portal.errors import InvalidInput
from portal.models import RecoveryCode, User

ISSUER = "Sendero"
STEP_SECONDS = 30
# A phone's clock may be so many steps ahead or behind (RFC 6238, 5.2 recommends one).
DRIFT = 1
RECOVERY_CODES = 10
# So many wrong codes in a row, over days, and none counts any more until somebody resets it (NIST SP 800-63B, 5.2.2).
MOST_FAILURES = 100
# Without letters and digits that look alike.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"

WRONG = "This code is not right, or was used already: wait for the next one, and check the phone's clock."
CLOSED = "Too many wrong codes: ask somebody who manages users to turn the second factor off, then set it up anew."


def begin(session: Session, vault: Vault, user: User) -> None:
    """Makes a new secret that counts only when a code of it has come. Raises `InvalidInput` when one counts."""
    row = locked(session, user)
    if row.totp_since is not None:
        raise InvalidInput("The second factor is on already.")
    row.totp_secret = vault.seal(random_base32())


def address_of(vault: Vault, user: User) -> str:
    """What the phone scans: `otpauth://totp/…`. The user must have begun."""
    return TOTP(secret_of(vault, user)).provisioning_uri(name=user.email, issuer_name=ISSUER)


def secret_of(vault: Vault, user: User) -> str:
    """What is typed where nothing can be scanned. The user must have begun."""
    if user.totp_secret is None:
        raise InvalidInput("Begin with the second factor anew.")
    return vault.open(user.totp_secret)


def confirm(database: Database, vault: Vault, user: User, code: str, address: str) -> tuple[User, Sequence[str]]:
    """Turns it on with the first code; every session ends. Returns the user as it is now, and the recovery codes."""
    throttle.count_attempt(database, address, user.email, throttle.CODE)
    step = _step(secret_of(vault, user), code)
    if step is None:
        raise InvalidInput(WRONG)
    throttle.forgive(database, address, user.email, throttle.CODE)
    with database.write() as session:
        row = locked(session, user)
        if row.totp_since is not None or row.totp_secret != user.totp_secret:
            raise InvalidInput("It was set up in another window meanwhile: look at the page again.")
        row.totp_since, row.totp_step, row.totp_failures = clock.now(), step, 0
        end_all(session, row)
        audit.note(session, audit.of_user(row, address), "turned the second factor on", row)
        return row, renew_recovery(session, row)


def check(database: Database, vault: Vault, user: User, code: str, address: str) -> str:
    """Proves the second factor: "code" or "recovery code", and each works once.

    Raises `InvalidInput` with the sentence for the form, and `TooManyAttempts` before any work is done.
    """
    throttle.count_attempt(database, address, user.email, throttle.CODE)
    if user.totp_failures >= MOST_FAILURES:
        raise InvalidInput(CLOSED)
    kind = _take(database, vault, user, code)
    if not kind:
        raise InvalidInput(WRONG)
    throttle.forgive(database, address, user.email, throttle.CODE)
    return kind


def turn_off(session: Session, user: User) -> None:
    """Forgets the secret and the recovery codes of a user of the caller's transaction."""
    user.totp_secret = user.totp_since = None
    user.totp_step = user.totp_failures = 0
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))


def renew_recovery(session: Session, user: User) -> Sequence[str]:
    """New recovery codes in place of the old ones; only their hashes are kept, 79 bits of chance are in each."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(16)) for _ in range(RECOVERY_CODES)]
    session.add_all([RecoveryCode(user_id=user.id, code=_kept(user, code)) for code in codes])
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in codes]


def recovery_left(session: Session, user: User) -> int:
    """How many recovery codes were not used yet."""
    unused = RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None)
    return session.scalar(select(func.count()).select_from(RecoveryCode).where(*unused)) or 0


def missing(user: User) -> bool:
    """Has the agency asked for a second factor that the user has not set up?"""
    return user.totp_since is None and user.agency is not None and user.agency.asks_second_factor


def _take(database: Database, vault: Vault, user: User, code: str) -> str:
    """Uses a code up under the user's row lock, so that two requests at once cannot both pass."""
    plain = "".join(code.split()).replace("-", "").lower()[:40]
    step = _step(vault.open(user.totp_secret or ""), plain)
    with database.write() as session:
        on = User.id == user.id, User.totp_since.is_not(None), User.totp_failures < MOST_FAILURES
        row = session.scalar(select(User).where(*on).with_for_update())
        if row is None:
            return ""
        kind = ""
        if step is not None and step > row.totp_step:
            row.totp_step, kind = step, "code"
        elif _spent(session, user, plain):
            kind = "recovery code"
        row.totp_failures = 0 if kind else row.totp_failures + 1
        return kind


def _spent(session: Session, user: User, code: str) -> bool:
    unused = RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None)
    row = session.scalar(select(RecoveryCode).where(*unused, RecoveryCode.code == _kept(user, code)))
    if row is not None:
        row.used_at = clock.now()
    return row is not None


def _step(secret: str, code: str) -> int | None:
    """The half minute whose code it is, among those that count now."""
    plain = "".join(code.split())
    if not (plain.isascii() and plain.isdigit() and len(plain) == 6):
        return None
    now = int(clock.now().timestamp()) // STEP_SECONDS
    codes = TOTP(secret)
    steps = [step for step in range(now - DRIFT, now + DRIFT + 1) if step >= 0]
    return next((step for step in steps if secrets.compare_digest(codes.at(step * STEP_SECONDS), plain)), None)


def _kept(user: User, code: str) -> str:
    return fingerprint(f"{user.id}:{code}")

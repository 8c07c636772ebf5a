"""People who sign in: made by an operator with a one-time password, which they change at their first sign-in."""

import re

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts import passwords, throttle
from portal.database import Database, insert
from portal.errors import InvalidInput
from portal.models import User

# An @ with something on both sides and a dot behind it: whether it exists, only a letter could tell.
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def create_user(session: Session, email: str, password: str, agency_id: int | None) -> User:
    """Writes a user who must change the password at the first sign-in; without an agency it is an operator.

    Raises `InvalidInput` when the address is none or is taken, or the password is too short.
    """
    address = email.strip().lower()
    if len(address) > 254 or not _EMAIL.fullmatch(address):
        raise InvalidInput("This is not an e-mail address.")
    new = insert(session, User).values(
        email=address,
        password_hash=passwords.hashed(password),
        agency_id=agency_id,
        active=True,
        must_change_password=True,
        session_version=1,
        created_at=clock.now(),
    )
    user_id = session.scalar(new.on_conflict_do_nothing(index_elements=["email"]).returning(User.id))
    if user_id is None:
        raise InvalidInput("There is a user with this e-mail address already.")
    return session.get_one(User, user_id)


def authenticate(database: Database, email: str, password: str, address: str) -> User | None:
    """The user, when the password is theirs and they may sign in. `address` is where the attempt comes from.

    Raises `TooManyAttempts` before any work is done. No transaction is open while the password is hashed.
    """
    account = email.strip().lower()[:254]
    throttle.count_attempt(database, address, account)
    with database.read() as session:
        user: User | None = session.scalar(select(User).where(User.email == account, User.active))
    if not passwords.matches(user.password_hash if user else None, password) or user is None:
        return None
    throttle.forgive(database, address, account)
    fresh = passwords.hashed(password) if passwords.outdated(user.password_hash) else user.password_hash
    with database.write() as session:
        unchanged = User.id == user.id, User.password_hash == user.password_hash
        session.execute(update(User).where(*unchanged).values(password_hash=fresh, last_seen_at=clock.now()))
    return user


def change_password(database: Database, user: User, current: str, new: str, address: str) -> User:
    """Sets the password that the user chose, and ends every session but the one that is made from the result.

    Raises `InvalidInput` with a sentence for the form, and `TooManyAttempts` as `authenticate` does.
    """
    throttle.count_attempt(database, address, user.email)
    if not passwords.matches(user.password_hash, current):
        raise InvalidInput("The current password is not right.")
    throttle.forgive(database, address, user.email)
    if new == current:
        raise InvalidInput("The new password is the old one: choose another.")
    if new.lower() == user.email:
        raise InvalidInput("The new password is your e-mail address: choose another.")
    stored = passwords.hashed(new)
    with database.write() as session:
        row = session.scalars(select(User).where(User.id == user.id).with_for_update()).one()
        if row.session_version != user.session_version:
            raise InvalidInput("The password was changed meanwhile: sign in again.")
        row.password_hash = stored
        row.must_change_password = False
        row.session_version += 1
    return row


def set_one_time_password(user: User, password: str) -> None:
    """Gives a user of the caller's transaction a password to change at the next sign-in, and ends their sessions."""
    user.password_hash = passwords.hashed(password)
    user.must_change_password = True
    user.session_version += 1

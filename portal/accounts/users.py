"""People who sign in, and their passwords: made with a one-time password or by an invitation, then chosen by them."""

import re

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts import audit, passwords, throttle
from portal.accounts.sessions import end_all
from portal.database import Database, insert
from portal.errors import InvalidInput
from portal.models import User

# An @ with something on both sides and a dot behind it: whether it exists, only a letter could tell.
_EMAIL = re.compile(r"[^@\s\x00]+@[^@\s\x00]+\.[^@\s.\x00]+")


def create_user(session: Session, email: str, password: str, agency_id: int | None) -> User:
    """Writes a user who must change the password at the first sign-in: an owner, or without an agency an operator.

    Raises `InvalidInput` when the address is none or is taken, or the password is too short.
    """
    address = clean_email(email)
    return write_user(session, address, passwords.hashed(password), agency_id)


def clean_email(email: str) -> str:
    """The address as it is kept. Raises `InvalidInput` for none."""
    address = email.strip().lower()
    if len(address) > 254 or not _EMAIL.fullmatch(address):
        raise InvalidInput("This is not an e-mail address.")
    return address


def write_user(session: Session, address: str, stored: str, agency_id: int | None) -> User:
    """Writes a user with the hash of a password. Raises `InvalidInput` when the address is taken."""
    new = insert(session, User).values(
        email=address,
        password_hash=stored,
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

    Whoever has a second factor has to prove that too. Raises `TooManyAttempts` before any work is done. No transaction
    is open while the password is hashed.
    """
    account = email.strip().lower()[:254]
    throttle.count_attempt(database, address, account)
    with database.read() as session:
        user: User | None = session.scalar(select(User).where(User.email == account, User.active))
    if not passwords.matches(user.password_hash if user else None, password) or user is None:
        return None
    throttle.forgive(database, address, account)
    return _renewed(database, user, password) if passwords.outdated(user.password_hash) else user


def _renewed(database: Database, user: User, password: str) -> User:
    """The user with a hash of today's. One that came with a shorter password than we take has to choose another."""
    short = len(password) < passwords.SHORTEST
    values = {"password_hash": passwords.rehashed(password), **({"must_change_password": True} if short else {})}
    with database.write() as session:
        unchanged = User.id == user.id, User.password_hash == user.password_hash
        session.execute(update(User).where(*unchanged).values(**values))
        return session.get_one(User, user.id)


def prove(database: Database, user: User, password: str, address: str) -> None:
    """Raises `InvalidInput` unless it is the user's password, and `TooManyAttempts` as `authenticate` does."""
    throttle.count_attempt(database, address, user.email)
    if not passwords.matches(user.password_hash, password):
        raise InvalidInput("The current password is not right.")
    throttle.forgive(database, address, user.email)


def change_password(database: Database, user: User, current: str, new: str, address: str) -> User:
    """Sets the password that the user chose, and ends every session but the one that is made from the result.

    Raises `InvalidInput` with a sentence for the form, and `TooManyAttempts` as `authenticate` does.
    """
    prove(database, user, current, address)
    if new == current:
        raise InvalidInput("The new password is the old one: choose another.")
    stored = fit(user, new)
    with database.write() as session:
        row = locked(session, user)
        row.password_hash = stored
        row.must_change_password = False
        end_all(session, row)
        audit.note(session, audit.of_user(row, address), "changed the password", row)
    return row


def fit(user: User, new: str) -> str:
    """The hash of a password that the user chose. Raises `InvalidInput` when it is none to choose."""
    if new.lower() == user.email:
        raise InvalidInput("The new password is your e-mail address: choose another.")
    return passwords.hashed(new)


def locked(session: Session, user: User) -> User:
    """The user's row for changing. Raises `InvalidInput` when a password was changed since `user` was read."""
    row = session.scalars(select(User).where(User.id == user.id).with_for_update()).one()
    if row.session_version != user.session_version:
        raise InvalidInput("The password was changed meanwhile: sign in again.")
    return row


def set_one_time_password(session: Session, user: User, password: str) -> None:
    """Gives a user of the caller's transaction a password to change at the next sign-in, and ends their sessions."""
    user.password_hash = passwords.hashed(password)
    user.must_change_password = True
    user.invited = False
    end_all(session, user)

"""Passwords: hashed with argon2id, a few at a time, with the same work whether the account exists or not."""

import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from portal.errors import InvalidInput

SHORTEST, LONGEST = 12, 1024

# RFC 9106's second recommendation: 64 MiB for each hash, so only a few are computed at once.
_hasher = PasswordHasher()
_at_once = threading.BoundedSemaphore(2)


def hashed(password: str) -> str:
    """The argon2id hash of a password. Raises `InvalidInput` when it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(f"A password has at least {SHORTEST} characters, and at most {LONGEST}.")
    with _at_once:
        return _hasher.hash(password)


def matches(stored: str | None, password: str) -> bool:
    """Is it the password of this hash? Without a hash the answer is False, after the same work."""
    absent = _hash_of_nobody()
    if len(password) > LONGEST:
        return False
    with _at_once:
        try:
            return _hasher.verify(stored or absent, password) and stored is not None
        except (Argon2Error, InvalidHashError):
            return False


def outdated(stored: str) -> bool:
    """Was the hash made with weaker parameters than today's?"""
    return _hasher.check_needs_rehash(stored)


@cache
def _hash_of_nobody() -> str:
    return _hasher.hash("a password that nobody has")

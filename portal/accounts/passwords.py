"""Passwords: hashed with argon2id, a few at a time, with the same work whether the account exists or not.

Hashes of bcrypt come with the users of other systems. They are checked as they are, and become argon2id's with the next
sign-in.
"""

import re
import secrets
import threading
from functools import cache

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

from portal.errors import InvalidInput

SHORTEST, LONGEST = 12, 1024

# bcrypt's text, with a cost of at most 2^13 rounds (half a second); argon2id's, with at most 256 MiB.
_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-3])\$[./A-Za-z0-9]{53}")
_ARGON2 = re.compile(r"\$argon2id\$[!-~]{20,300}")
MOST_MEMORY, MOST_ROUNDS, MOST_LANES = 256 * 1024, 10, 16

# RFC 9106's second recommendation: 64 MiB for each hash, so only a few are computed at once.
_hasher = PasswordHasher()
_at_once = threading.BoundedSemaphore(2)


def hashed(password: str) -> str:
    """The argon2id hash of a password. Raises `InvalidInput` when it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(f"A password has at least {SHORTEST} characters, and at most {LONGEST}.")
    return rehashed(password)


def rehashed(password: str) -> str:
    """The same of a password that somebody has already, however short."""
    with _at_once:
        return _hasher.hash(password)


def of_nobody() -> str:
    """The hash of a password that nobody knows."""
    return rehashed(secrets.token_urlsafe(32))


def verifiable(stored: str) -> bool:
    """Is it a hash that a password can be checked against here: argon2id's or bcrypt's, of bearable cost?"""
    if _BCRYPT.fullmatch(stored):
        return True
    if not _ARGON2.fullmatch(stored):
        return False
    try:
        made = extract_parameters(stored)
    except InvalidHashError:
        return False
    return made.memory_cost <= MOST_MEMORY and made.time_cost <= MOST_ROUNDS and made.parallelism <= MOST_LANES


def matches(stored: str | None, password: str) -> bool:
    """Is it the password of this hash? Without a hash the answer is False, after the same work."""
    absent = _hash_of_nobody()
    if len(password) > LONGEST:
        return False
    with _at_once:
        try:
            if stored and _BCRYPT.fullmatch(stored):
                return _is_of_bcrypt(stored, password)
            return _hasher.verify(stored or absent, password) and stored is not None
        except (Argon2Error, InvalidHashError):
            return False


def outdated(stored: str) -> bool:
    """Was the hash made with weaker parameters than today's?"""
    return bool(_BCRYPT.fullmatch(stored)) or _hasher.check_needs_rehash(stored)


def _is_of_bcrypt(stored: str, password: str) -> bool:
    import bcrypt  # only where users came from another system

    # It looks at no more bytes than these; its programs cut longer passwords off.
    return bool(bcrypt.checkpw(password.encode("utf-8", "replace")[:72], stored.encode()))


@cache
def _hash_of_nobody() -> str:
    return _hasher.hash("a password that nobody has")

"""Secrets at rest: sealed with the first Fernet key, opened with any of them, so that keys can be rotated."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from portal.errors import PortalError


def fingerprint(secret: str) -> str:
    """What is kept of a random secret that only has to be recognised: its SHA-256, 64 hex digits."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class SealBroken(PortalError):
    """A stored secret that none of the keys opens."""

    def __init__(self) -> None:
        super().__init__("A stored secret cannot be opened: put the key it was sealed with back into ENCRYPTION_KEYS.")


def proof(secret: str, question: str) -> str:
    """What only a portal with this secret can answer to a question: shows that an address leads to it."""
    return hmac.new(secret.encode(), f"proof of identity:{question}".encode(), "sha256").hexdigest()


class Vault:
    """Seals and opens secrets. Holds the keys; never shows them."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, secret: str) -> str:
        """The secret as text that may be stored."""
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """The secret again. Raises `SealBroken` when no key fits."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise SealBroken from None

    def seal_fields(self, fields: Mapping[str, str]) -> str:
        """A sender's credentials as one sealed text."""
        return self.seal(json.dumps(dict(fields), sort_keys=True))

    def open_fields(self, sealed: str) -> dict[str, str]:
        """The credentials of `seal_fields`."""
        fields: dict[str, str] = json.loads(self.open(sealed))
        return fields

    def reseal(self, sealed: str) -> str:
        """The same secret under the first key, for `flask keys rotate`. Raises `SealBroken` when no key fits."""
        try:
            return self._fernet.rotate(sealed.encode()).decode()
        except InvalidToken:
            raise SealBroken from None

"""Is this webhook really HighLevel's? Ed25519 over the raw body, and nothing else: the RSA header ended in 2026."""

import base64
import binascii
from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

# One key for every app and tenant (HighLevel's Webhook Integration Guide): a good signature proves HighLevel,
# never which tenant.
DEFAULT_PUBLIC_KEY = "MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg="

SIGNATURE_HEADER = "X-GHL-Signature"
SIGNATURE_BYTES = 64
SIGNATURE_CHARS = 88


class Verifier:
    """Holds the loaded keys, so that a request costs one verification and no parsing of keys."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        self._keys = tuple(keys)

    def verify(self, raw: bytes, header: str | None) -> bool:
        """True when one of the keys signed exactly these bytes. `header` is the value of X-GHL-Signature."""
        signature = _signature(header)
        return signature is not None and any(_signed(key, signature, raw) for key in self._keys)


def verifier(keys: Iterable[str]) -> Verifier:
    """A verifier for these keys, each base64 SPKI or PEM. Raises ValueError with a sentence for a person."""
    return Verifier([_load(key) for key in keys])


def parse_public_keys(text: str) -> tuple[str, ...]:
    """The keys of a comma-separated setting as base64 SPKI. Raises ValueError with a sentence for a person."""
    keys = [part.strip() for part in text.split(",") if part.strip()]
    if not keys:
        raise ValueError("no key is given: leave the setting out to use HighLevel's own key.")
    return tuple(_spki(_load(key, place)) for place, key in enumerate(keys, start=1))


def _load(text: str, place: int = 1) -> Ed25519PublicKey:
    try:
        key = _decode(text.strip())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"key {place} cannot be read: give base64 SPKI or PEM, as HighLevel publishes it.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"key {place} is not an Ed25519 public key: HighLevel signs with Ed25519 only.")
    return key


def _decode(text: str) -> object:
    if text.startswith("-----"):
        # Environment files carry a PEM on one line, with the line ends written as \n.
        return load_pem_public_key(text.replace("\\n", "\n").encode("ascii"))
    return load_der_public_key(base64.b64decode(text, validate=True))


def _spki(key: Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _signature(header: str | None) -> bytes | None:
    """The 64 bytes, or None: missing, "N/A", and every spelling but the one canonical base64."""
    if header is None or len(header) != SIGNATURE_CHARS or not header.isascii():
        return None
    try:
        signature = binascii.a2b_base64(header, strict_mode=True)
    except binascii.Error:
        return None
    canonical = len(signature) == SIGNATURE_BYTES and base64.b64encode(signature).decode() == header
    return signature if canonical else None


def _signed(key: Ed25519PublicKey, signature: bytes, raw: bytes) -> bool:
    try:
        key.verify(signature, raw)
    except InvalidSignature:
        return False
    return True

"""Who opened the custom page: the payload HighLevel encrypts with the app's shared secret, as CryptoJS does it.

The payload has no expiry and no signature, so it may be replayed: decrypt it once, then give out a session of our own.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from portal.errors import Unauthentic

MAX_CHARS = 16_384
MAGIC = b"Salted__"
KEY_BYTES, IV_BYTES = 32, 16

# One text for every fault: a finer one would tell a guesser how far the padding got.
REFUSAL = "HighLevel's sign-in could not be read: open the page again from inside HighLevel."

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
OptionalId = Annotated[str, msgspec.Meta(max_length=128, pattern=r"^[\x21-\x7e]*$")]


@dataclass(frozen=True, slots=True)
class SsoUser:
    """The signed-in HighLevel user. `type` is the user's own type: an agency user inside a sub-account is "agency".

    `active_location` is "" outside a sub-account. It proves nothing by itself: check that it is installed and that
    its company is `company_id`.
    """

    user_id: str
    company_id: str
    role: str
    type: str
    active_location: str = ""
    user_name: str = ""
    email: str = ""
    is_agency_owner: bool = False


class _Plain(msgspec.Struct, rename="camel"):
    user_id: Id
    company_id: Id
    role: str
    type: str
    active_location: OptionalId | None = None
    user_name: str | None = None
    email: str | None = None
    is_agency_owner: object = None


_decoder = msgspec.json.Decoder(_Plain)


def decrypt(payload: str, shared_secret: str) -> SsoUser:
    """The user inside `payload` (base64 of `Salted__`, salt, AES-256-CBC). Raises `Unauthentic` on anything else."""
    if not shared_secret or len(payload) > MAX_CHARS:
        raise Unauthentic(REFUSAL)
    try:
        plain = _decoder.decode(_decipher(base64.b64decode(payload, validate=True), shared_secret.encode()))
    except (ValueError, RecursionError):
        raise Unauthentic(REFUSAL) from None
    return SsoUser(
        user_id=plain.user_id,
        company_id=plain.company_id,
        role=plain.role,
        type=plain.type,
        active_location=plain.active_location or "",
        user_name=_storable(plain.user_name),
        email=_storable(plain.email),
        is_agency_owner=plain.is_agency_owner is True,
    )


def _storable(text: str | None) -> str:
    """PostgreSQL keeps no NUL in a text."""
    return (text or "").replace("\x00", "")


def _decipher(sealed: bytes, secret: bytes) -> bytes:
    if not sealed.startswith(MAGIC):
        raise ValueError("no salt")
    key, vector = _key_and_vector(secret, sealed[8:16])
    decryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    padded = decryptor.update(sealed[16:]) + decryptor.finalize()
    unpadder = PKCS7(algorithms.AES.block_size).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def _key_and_vector(secret: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """OpenSSL's EVP_BytesToKey with one round of MD5: what CryptoJS does when it is given a passphrase."""
    derived = block = b""
    while len(derived) < KEY_BYTES + IV_BYTES:
        block = hashlib.md5(block + secret + salt, usedforsecurity=False).digest()
        derived += block
    return derived[:KEY_BYTES], derived[KEY_BYTES : KEY_BYTES + IV_BYTES]

"""What HighLevel tells a custom page about who looks at it: JSON, encrypted as CryptoJS does with a passphrase."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from portal.sandbox.world import DEMO_COMPANY, SHARED_SECRET, USER_ID


def payload(location_id: str, *, company_id: str = DEMO_COMPANY.id, role: str = "admin", kind: str = "location") -> str:
    """The answer to REQUEST_USER_DATA. `location_id` is "" outside of a sub-account."""
    said = {
        "userId": USER_ID,
        "companyId": company_id,
        "role": role,
        "type": kind,
        "userName": "Anna Example",
        "email": "anna@example.com",
        "isAgencyOwner": False,
    }
    return encrypt(said | ({"activeLocation": location_id} if location_id else {}))


def encrypt(said: Mapping[str, object], secret: str = SHARED_SECRET) -> str:
    """Base64 of `Salted__`, the salt, and AES-256-CBC under a key derived as OpenSSL's EVP_BytesToKey does (MD5)."""
    salt, derived, block = secrets.token_bytes(8), b"", b""
    while len(derived) < 48:
        block = hashlib.md5(block + secret.encode() + salt, usedforsecurity=False).digest()
        derived += block
    padder = PKCS7(128).padder()
    padded = padder.update(json.dumps(said, ensure_ascii=False).encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(derived[:32]), modes.CBC(derived[32:48])).encryptor()
    return base64.b64encode(b"Salted__" + salt + encryptor.update(padded) + encryptor.finalize()).decode()

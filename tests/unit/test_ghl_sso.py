import base64
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from portal.errors import Unauthentic
from portal.ghl.sso import REFUSAL, SsoUser, _key_and_vector, decrypt

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "ghl.json"
SECRET = "a-shared-secret"
USER = {"userId": "u1", "companyId": "c1", "role": "admin", "type": "agency"}


def seal(plain, secret=SECRET, magic=b"Salted__"):
    raw = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
    salt = os.urandom(8)
    key, vector = _key_and_vector(secret.encode(), salt)
    padding = 16 - len(raw) % 16
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    sealed = encryptor.update(raw + bytes([padding]) * padding) + encryptor.finalize()
    return base64.b64encode(magic + salt + sealed).decode()


def test_a_user_is_read():
    payload = seal(
        {**USER, "activeLocation": "l1", "userName": "Ann\x00", "email": None, "isAgencyOwner": True, "x": 1}
    )
    assert decrypt(payload, SECRET) == SsoUser("u1", "c1", "admin", "agency", "l1", "Ann", "", True)


def test_outside_a_location_there_is_none():
    assert decrypt(seal(USER), SECRET).active_location == ""
    assert decrypt(seal({**USER, "activeLocation": ""}), SECRET).active_location == ""


@pytest.mark.parametrize(
    ("payload", "secret"),
    [
        ("", SECRET),
        ("not base64 !", SECRET),
        ("é", SECRET),
        ("\ud800", SECRET),
        ("U2FsdGVkX18=", SECRET),
        (seal(USER)[:-8], SECRET),
        (seal(USER, magic=b"Sweeten_"), SECRET),
        (seal(USER), "another-secret"),
        (seal(USER, secret=""), ""),
        (seal(USER) + "A" * 20_000, SECRET),
        (seal(b""), SECRET),
        (seal(b"\xff\xfe"), SECRET),
        (seal(b"[" * 5_000), SECRET),
        (seal([USER]), SECRET),
        (seal({"userId": "u1"}), SECRET),
        (seal({**USER, "userId": ""}), SECRET),
        (seal({**USER, "userId": 5}), SECRET),
        (seal({**USER, "companyId": "c\x00"}), SECRET),
        (seal({**USER, "activeLocation": "l" * 129}), SECRET),
    ],
    ids=range(19),  # sealing is salted: its results would be other names at every run
)
def test_whatever_is_malformed_gets_the_same_refusal(payload, secret):
    with pytest.raises(Unauthentic) as caught:
        decrypt(payload, secret)
    assert str(caught.value) == REFUSAL
    assert caught.value.__cause__ is None


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared vectors are not here")
def test_the_shared_vector():
    vector = json.loads(VECTORS.read_text(encoding="utf-8"))["sso"]
    plain = vector["plaintext"]
    user = decrypt(vector["payload"], vector["sharedSecret"])
    assert user == SsoUser(
        plain["userId"],
        plain["companyId"],
        plain["role"],
        plain["type"],
        plain["activeLocation"],
        plain["userName"],
        plain["email"],
        plain["isAgencyOwner"],
    )

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from portal.ghl.signature import DEFAULT_PUBLIC_KEY, parse_public_keys, verifier

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "ghl.json"
BODY = '{"type":"SMS","message":"héllo 👋"}'.encode()

OLD, NEW = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def spki(key):
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def sign(key, body=BODY):
    return base64.b64encode(key.sign(body)).decode()


def test_each_of_several_keys_verifies_in_either_spelling():
    ours = verifier([pem(OLD), spki(NEW)])
    assert ours.verify(BODY, sign(OLD))
    assert ours.verify(BODY, sign(NEW))
    assert verifier([pem(OLD).strip().replace("\n", "\\n")]).verify(BODY, sign(OLD))


def test_another_key_or_another_body_does_not_verify():
    ours = verifier([spki(OLD)])
    assert not ours.verify(BODY, sign(NEW))
    assert not ours.verify(BODY + b" ", sign(OLD))
    assert not verifier([DEFAULT_PUBLIC_KEY]).verify(BODY, sign(OLD))


@pytest.mark.parametrize("header", [None, "", "N/A", "é" * 88, "=" * 88, "A" * 88, "A" * 1_000_000])
def test_what_is_no_signature_does_not_verify(header):
    assert not verifier([spki(OLD)]).verify(BODY, header)


def test_only_the_canonical_base64_counts():
    good = sign(OLD)
    loose = good[:-3] + chr(ord(good[-3]) + 1) + "=="  # the same bytes to a lenient decoder
    assert base64.b64decode(loose) == base64.b64decode(good)
    for header in (loose, good[:-2], good + "\n", " " + good, good[:44] + "\n" + good[44:], good + "AAAA"):
        assert not verifier([spki(OLD)]).verify(BODY, header)
    urlsafe = base64.urlsafe_b64encode(base64.b64decode(good)).decode()
    assert verifier([spki(OLD)]).verify(BODY, urlsafe) == (urlsafe == good)


def test_a_setting_gives_every_key_as_base64_spki():
    keys = parse_public_keys(f" {pem(OLD)} , {spki(NEW)},")
    assert keys == (spki(OLD), spki(NEW))
    assert parse_public_keys(DEFAULT_PUBLIC_KEY) == (DEFAULT_PUBLIC_KEY,)


@pytest.mark.parametrize("text", ["", " , ", "hello", "AAAA", "-----BEGIN é", "-----BEGIN PUBLIC KEY-----\nAAAA"])
def test_a_bad_setting_is_a_sentence(text):
    with pytest.raises(ValueError, match=r"^(no key is given|key 1 cannot be read): .+\.$"):
        parse_public_keys(text)


def test_the_faulty_key_is_named_by_its_place():
    with pytest.raises(ValueError, match="key 2 cannot be read"):
        parse_public_keys(f"{DEFAULT_PUBLIC_KEY},nonsense")


def test_rsa_is_refused_as_a_key():
    with pytest.raises(ValueError, match="not an Ed25519 public key"):
        verifier([pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))])


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared vectors are not here")
def test_the_shared_vector():
    vector = json.loads(VECTORS.read_text(encoding="utf-8"))["webhook"]
    ours = verifier([vector["publicKeyPem"]])
    assert ours.verify(vector["body"].encode(), vector["signatureBase64"])
    assert not ours.verify(vector["body"].encode("utf-16"), vector["signatureBase64"])

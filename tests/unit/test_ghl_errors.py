import json

import pytest

from portal.ghl.errors import SENTENCES, GhlError, Kind, classify, excerpt
from portal.http import Response


def answer(status, message=None, **more):
    headers = more.pop("headers", {})
    body = more if message is None else {"statusCode": status, "message": message, **more}
    return Response(status, headers, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (answer(403, "No conversation provider found for this message"), Kind.TOO_EARLY),
        (answer(401, "No conversation provider found for this message"), Kind.TOO_EARLY),
        (answer(401, "Invalid JWT"), Kind.TOKEN_REJECTED),
        (answer(401, "Invalid token: access token is invalid", error="Unauthorized"), Kind.TOKEN_REJECTED),
        (answer(401, "The access token has expired"), Kind.TOKEN_REJECTED),
        (Response(401, {}, b""), Kind.TOKEN_REJECTED),
        (answer(401, "The token is not authorized for this scope."), Kind.NO_SCOPE),
        (answer(401, "Token's user type mismatch!"), Kind.NO_ACCESS),
        (answer(401, "This authClass type is not allowed to access this scope. Please…"), Kind.NO_ACCESS),
        (answer(401, "version header was not found."), Kind.INVALID),
        (answer(401, "No message found for the id"), Kind.NOT_FOUND),
        (answer(403, "The token does not have access to this location."), Kind.NO_ACCESS),
        (answer(400, "You don't have access to the conversationProvider with id: abc"), Kind.NO_ACCESS),
        (answer(403), Kind.NO_ACCESS),
        (answer(404, "Cannot GET /x"), Kind.NOT_FOUND),
        (answer(400, "Contact with id abc not found"), Kind.NOT_FOUND),
        (answer(400, "Invalid API version segment"), Kind.INVALID),
        (answer(400, "Invalid conversationProviderId"), Kind.INVALID),
        (answer(422, ["attachments must be an array", "type must be one of"]), Kind.INVALID),
        (answer(400, "API endpoint has been removed"), Kind.INVALID),
        (answer(400, "Location is not active"), Kind.LOCATION_INACTIVE),
        (answer(400, error="invalid_grant", error_description="Location is not active"), Kind.LOCATION_INACTIVE),
        (answer(400, "Invalid grant: refresh token is invalid"), Kind.GRANT_DEAD),
        (answer(400, error="invalid_grant", error_description="This refresh token is invalid"), Kind.GRANT_DEAD),
        (answer(401, error="UnAuthorized!", error_description="Authorization code not found"), Kind.GRANT_DEAD),
        (answer(401, error="invalid_client"), Kind.NO_ACCESS),
        (answer(429, "Too many requests"), Kind.RATE_LIMITED),
        (answer(408), Kind.SERVER),
        (answer(500, "Location is not active"), Kind.SERVER),
        (Response(502, {}, b"<html>Bad Gateway</html>"), Kind.SERVER),
        (Response(302, {"location": "https://elsewhere"}, b""), Kind.SERVER),
        (Response(400, {}, b"[" * 100_000), Kind.INVALID),
        (Response(400, {}, b"\xff\xfe"), Kind.INVALID),
        (Response(400, {}, b"[1]"), Kind.INVALID),
        (answer(413, 5), Kind.INVALID),
    ],
)
def test_what_a_refusal_means(response, kind):
    error = classify(response)
    assert (error.kind, error.status) == (kind, response.status)
    assert error.message.startswith(SENTENCES[kind])


def test_every_kind_has_a_sentence():
    assert set(SENTENCES) == set(Kind)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7", "x-ratelimit-interval-milliseconds": "10000"}, 7),
        ({"retry-after": "999999999"}, 86_400),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "x-ratelimit-interval-milliseconds": "4000"}, 4),
        ({}, 10),
        ({"x-ratelimit-interval-milliseconds": "soon"}, 10),
    ],
)
def test_a_rate_limit_names_its_pause(headers, seconds):
    assert classify(answer(429, headers=headers)).retry_after == seconds
    assert classify(answer(500, headers=headers)).retry_after is None


def test_the_code_and_the_words_are_kept_short_and_on_one_line():
    error = classify(answer(422, ["a\nb", "word " * 200], error="Unprocessable Entity"))
    assert error.code == "Unprocessable Entity"
    assert error.detail.startswith("a b; word") and len(error.detail) == 200


def test_no_secret_gets_into_an_error():
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJl"
    words = f"Bearer abcdefghij and {jwt}, s3cret, {'f' * 40}, at https://x.example/a?number=%2B1586&token=zz"
    error = classify(answer(400, words, error=f"bad s3cret {jwt}"), ["s3cret", ""])
    for text in (str(error), repr(error), error.detail, error.code):
        for secret in ("abcdefghij", "eyJ", "s3cret", "ffff", "1586", "zz"):
            assert secret not in text


def test_the_contact_in_the_way_is_named():
    meta = {"contactName": "ann", "contactId": "abc123", "matchingField": "phone"}
    assert classify(answer(400, "This location does not allow duplicated contacts.", meta=meta)).contact_id == "abc123"
    assert classify(answer(400, "x", meta="odd")).contact_id == ""


def test_hint_and_detail_follow_the_sentence():
    assert GhlError(Kind.INVALID, hint="Ours.", detail="theirs").message == (
        "HighLevel did not accept the request. Ours. It said: theirs"
    )
    assert excerpt("a\x00b") == "ab"

"""What an attempt said is kept without its sender's secrets, however they were written."""

from urllib.parse import quote_plus, urlencode

from portal import recording


def test_secrets_are_gone_in_every_form_and_the_rest_stays() -> None:
    secret = 'p&ss "wörd"/1'
    with recording.calls({"password": secret, "from": "ACME", "username": "clinic-7"}) as heard:
        forms = recording.secrets_of({"password": secret})
        assert len(forms) > 3
        said = " ".join(forms).encode()
        recording.note("GET", f"https://a.example/send?u=clinic-7&{forms[0]}", said, 200, said)
        recording.note("POST", "https://a.example/x", b'{"from": "ACME", "text": "Hello"}', None, "no answer in time")
    told = f"{heard.request}\n{heard.response}"
    assert "clinic-7" not in told and "ss+" not in told and "wörd" not in told and "w%C3%B6rd" not in told
    assert '{"from": "ACME", "text": "Hello"}' in told and "no answer\nno answer in time" in told


def test_bodies_are_cut_and_binary_ones_are_shown_as_text() -> None:
    with recording.calls({}) as heard:
        recording.note("POST", "https://a.example/", b"\x00\xff" + b"x" * 9000, 500, b"\x00")
        for _ in range(10):
            recording.note("POST", "https://a.example/", open(__file__, "rb"), 200, b"ok")  # noqa: SIM115
    assert "\x00" not in heard.request and "\\xff" in heard.request and "[…]" in heard.request
    assert heard.request.count("(a file)") == recording.MOST - 1


def test_nobody_listens_outside_the_block() -> None:
    recording.note("GET", "https://a.example/", None, 200, b"")
    with recording.calls({}) as heard:
        pass
    recording.note("GET", "https://a.example/", None, 200, b"")
    assert heard.request is None and heard.response is None


def test_what_lets_in_is_gone_from_addresses_that_are_values_of_a_form() -> None:
    """Twilio's MediaUrl and StatusCallback, Kannel's dlr-url: escaped, and still addresses."""
    file, key = "https://sms.example.com/media/aW1hZ2UtdG9rZW4", "8f3kq0sDpZ2x"
    store = "https://docs.example.com/a.png?X-Amz-Signature=0a1b2c3d4e5f"
    form = {
        "MediaUrl": file,
        "Body": f"Look: {file}",
        "Kept": store,
        "StatusCallback": f"https://sms.example.com/webhooks/sms/twilio/{key}/status?key=part_7",
    }
    with recording.calls({}) as heard:
        recording.note("POST", f"https://a.example/send?{urlencode(form)}", urlencode(form).encode(), 200, b"ok")
    for secret in ("aW1hZ2UtdG9rZW4", key, "0a1b2c3d4e5f"):
        assert secret not in heard.request
    assert "sms.example.com" in heard.request and "Look" in heard.request


def test_what_lets_in_is_gone_from_a_text_in_ucs2() -> None:
    token = "aW1hZ2UtdG9rZW4.png"
    text = f"Привет https://sms.example.com/media/{token}".encode("utf-16-be")
    with recording.calls({}, [token]) as heard:
        recording.note("GET", f"https://a.example/send?coding=2&text={quote_plus(text)}", None, 202, text.hex())
    told = f"{heard.request}{heard.response}"
    assert quote_plus(token.encode("utf-16-be")) not in told and token.encode("utf-16-be").hex() not in told


def test_secrets_that_a_person_wrote_into_a_call_are_gone() -> None:
    """At the generic gateway they may stand in its templates, under names that do not sound like secrets."""
    credentials = {
        "send_url": "https://a.example/T0123456789abcdefgh/send?u=clinic&p=hunter2&to={{to}}",
        "body": '{"login":"clinic","pin" : "s3cr3t","number":445566,"text":"{{text}}"}',
        "username": "clinic",
        "password": "hunter3",
    }
    said = b'{"login": "clinic", "pin": "s3cr3t", "number": 445566, "text": "Hello"}'
    with recording.calls(credentials) as heard:
        recording.note("POST", "https://a.example/T0123456789abcdefgh/send?u=clinic&p=hunter2&to=%2B63", said, 200, b"")
        recording.note("GET", "https://a.example/send?auth0=Y2xpbmljOmh1bnRlcjM%3D", None, 200, b"")
        recording.note("POST", "https://a.example/", b"<a><pin>s3cr3t</pin></a>", 200, b"")
    for secret in ("hunter2", '"s3cr3t"', "445566", "T0123456789abcdefgh", "Y2xpbmljOmh1bnRlcjM"):
        assert secret not in heard.request
    assert "to=%2B63" in heard.request and '"text": "Hello"' in heard.request
    with recording.calls({"body": "<a><pin>s3cr3t</pin><text>{{text}}</text></a>"}) as heard:
        recording.note("POST", "https://a.example/", b"<a><pin>s3cr3t</pin><text>Hello</text></a>", 200, b"")
    assert "s3cr3t" not in heard.request and "<text>Hello" in heard.request

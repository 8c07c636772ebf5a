"""What an attempt said is kept without its sender's secrets, however they were written."""

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

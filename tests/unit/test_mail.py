"""Letters: the settings that name a server, and what becomes of a letter."""

import socket

import pytest

from portal import mail
from tests.mail_server import running

FROM = "Sendero <sms@example.com>"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 587, "starttls", "", "")),
        ("smtp://a%40b:p%3Aw@mail.example.com:2525", ("mail.example.com", 2525, "starttls", "a@b", "p:w")),
        ("smtp://relay?starttls=off", ("relay", 587, "", "", "")),
        ("smtps://u:qqq@mail.example.com", ("mail.example.com", 465, "tls", "u", "qqq")),
    ],
)
def test_a_server_is_read(url: str, wanted: tuple) -> None:
    faults: list[str] = []
    server = mail.read(url, FROM, faults)
    assert (server.host, server.port, server.tls, server.user, server.password) == wanted and faults == []
    assert wanted[4] == "" or wanted[4] not in repr(server)


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("http://x", FROM),
        ("smtp://", FROM),
        ("smtp://x:y", FROM),
        ("mail.example.com", FROM),
        ("smtp://x", ""),
        ("smtp://x", "me"),
        ("smtp://x", "a@b.c\nBcc: d@e.f"),
    ],
)
def test_what_is_none_is_a_fault(url: str, sender: str) -> None:
    faults: list[str] = []
    mail.read(url, sender, faults)
    assert len(faults) == 1 and faults[0].startswith("SMTP_")


def test_without_the_setting_there_is_none() -> None:
    assert mail.read("", "", []) is None


def test_a_letter_arrives_whole() -> None:
    with running() as there:
        server = mail.read(there.url, FROM, [])
        mail.send(server, "bo@example.com", "Grüße", "Zeile eins\n\n.\nZeile zwei ä\n")
    letter = there.letters[0]
    assert (letter["To"], letter["From"], letter["Subject"]) == ("bo@example.com", FROM, "Grüße")
    assert letter.get_content().split() == ["Zeile", "eins", ".", "Zeile", "zwei", "ä"]
    assert letter["Message-ID"].endswith("@example.com>") and letter["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("to", ["a,b@example.com", "bo@example.com\r\nBcc: eve@example.com", "<x>@example.com"])
def test_a_letter_goes_to_one_and_no_other(to: str) -> None:
    with running() as there:
        server = mail.read(there.url, FROM, [])
        with pytest.raises(mail.NotMailed):
            mail.send(server, to, "Hello", "Hello")
        assert there.letters == []


def test_a_server_that_refuses_or_is_not_there_is_said() -> None:
    with running() as there:
        there.refuses = True
        with pytest.raises(mail.NotMailed):
            mail.send(mail.read(there.url, FROM, []), "bo@example.com", "Hello", "Hello")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gone = mail.read(f"smtp://127.0.0.1:{unused.getsockname()[1]}", FROM, [])
        with pytest.raises(mail.NotMailed):
            mail.send(gone, "bo@example.com", "Hello", "Hello")


def test_without_starttls_nothing_is_said_to_a_server_that_has_none() -> None:
    """A letter holds a link that lets somebody in: it is not sent in the clear because a server forgot to offer TLS."""
    with running() as there:
        server = mail.read(there.url.partition("?")[0], FROM, [])
        with pytest.raises(mail.NotMailed):
            mail.send(server, "bo@example.com", "Hello", "Hello")
        assert there.letters == []

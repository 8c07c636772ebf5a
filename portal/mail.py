"""Letters by SMTP, for those who set SMTP_URL: invitations and what else a person has to get."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from urllib.parse import parse_qs, unquote, urlsplit

from portal.errors import PortalError

SECONDS = 10.0
_PORTS = {"smtp": 587, "smtps": 465}
_WRONG = (
    "SMTP_URL is not an address of a mail server: write smtp://user:password@host:587 or smtps://…, or leave it out."
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where letters are handed in, and in whose name. `tls`: from the first byte, "starttls", or "" for none."""

    host: str
    port: int
    tls: str
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)


class NotMailed(PortalError):
    """The mail server did not take a letter; the sentence says why."""

    http_status = 502


def read(url: str, sender: str, faults: list[str]) -> MailServer | None:
    """The server of SMTP_URL and SMTP_FROM, None without them. What is wrong is added to `faults`."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        faults.append(_WRONG)
        return None
    if not parts.hostname:
        faults.append(_WRONG)
        return None
    if not _good(sender):
        faults.append("SMTP_FROM is not an e-mail address: set the one that letters come from.")
    plain = parse_qs(parts.query).get("starttls") == ["off"]
    tls = "tls" if parts.scheme == "smtps" else "" if plain else "starttls"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MailServer(parts.hostname, port, tls, sender, user, password)


def send(server: MailServer, to: str, subject: str, text: str) -> None:
    """Hands one letter in. Raises `NotMailed`. A call may take some times `SECONDS`."""
    try:
        letter = _letter(server, to, subject, text)
        with _connected(server) as line:
            if server.tls == "starttls":
                line.starttls(context=ssl.create_default_context())
            if server.user:
                line.login(server.user, server.password)
            line.send_message(letter, to_addrs=[to])
    except (OSError, smtplib.SMTPException, MessageError, ValueError) as error:
        raise NotMailed(f"The letter could not be sent ({type(error).__name__}).") from error


def _connected(server: MailServer) -> smtplib.SMTP:
    if server.tls == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, timeout=SECONDS, context=context)
    return smtplib.SMTP(server.host, server.port, timeout=SECONDS)


def _letter(server: MailServer, to: str, subject: str, text: str) -> EmailMessage:
    letter = EmailMessage()
    letter["From"] = server.sender
    letter["To"] = Address(addr_spec=to)
    letter["Subject"] = subject
    letter["Date"] = formatdate()
    letter["Message-ID"] = make_msgid(domain=parseaddr(server.sender)[1].rpartition("@")[2])
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
    letter.set_content(text)
    return letter


def _good(sender: str) -> bool:
    address = parseaddr(sender)[1]
    local, _, domain = address.rpartition("@")
    return bool(local and domain) and not set(sender) & set("\r\n")

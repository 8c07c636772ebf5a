"""Sockets that keep one deadline per call and connect only where the call may go."""

import ssl
import threading
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from queue import Empty, SimpleQueue
from socket import IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, getaddrinfo, socket
from threading import Thread
from time import monotonic
from typing import Any

CONNECT_SECONDS = 5.0
ADDRESSES_TRIED = 3

# IANA special-purpose address registries (RFC 6890 and its updates), with multicast and the reserved last quarter.
# Not ipaddress.is_global: it calls multicast global, and its answers change between Python releases.
_CLOSED_V4 = (
    ip_network("0.0.0.0/8"),  # this host
    ip_network("10.0.0.0/8"),
    ip_network("100.64.0.0/10"),  # carrier-grade NAT
    ip_network("127.0.0.0/8"),
    ip_network("169.254.0.0/16"),  # link-local, with the clouds' metadata services
    ip_network("172.16.0.0/12"),
    ip_network("192.0.0.0/24"),
    ip_network("192.0.2.0/24"),
    ip_network("192.88.99.0/24"),
    ip_network("192.168.0.0/16"),
    ip_network("198.18.0.0/15"),
    ip_network("198.51.100.0/24"),
    ip_network("203.0.113.0/24"),
    ip_network("224.0.0.0/3"),  # multicast and reserved
)
_OPEN_V6 = ip_network("2000::/3")
_CLOSED_V6 = (
    ip_network("2001::/23"),  # Teredo and other protocols
    ip_network("2001:db8::/32"),
    ip_network("2002::/16"),  # 6to4
    ip_network("3fff::/20"),
)
_NAT64 = ip_network("64:ff9b::/96")


class AddressNotAllowed(OSError):
    """Every address of the host is one that this call may not reach."""


class Call(threading.local):
    """The call this thread is in: until when it may last, and whether private addresses are open to it."""

    ends = 0.0
    private_hosts = False

    def start(self, seconds: float, private_hosts: bool) -> None:
        """Begins the thread's next call."""
        self.ends = monotonic() + seconds
        self.private_hosts = private_hosts

    def over(self) -> bool:
        """Has the call's time run out?"""
        return monotonic() >= self.ends

    def left(self) -> float:
        """Seconds left, always above zero. Raises `TimeoutError` when there are none."""
        left = self.ends - monotonic()
        if left <= 0:
            raise TimeoutError("the call's deadline has passed")
        return left


call = Call()


def is_public(address: str) -> bool:
    """Is this IP address globally routable? Addresses that carry an IPv4 address are judged by what they carry."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        carried = ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if carried is None:
            return ip in _OPEN_V6 and not any(ip in network for network in _CLOSED_V6)
        ip = carried
    return not any(ip in network for network in _CLOSED_V4)


class DeadlineSocket(socket):
    """A TCP socket whose every read and write ends with the call: a trickling peer cannot stretch it."""

    ended = False

    def recv_into(self, *args: Any) -> int:
        """Reads what is there, within the time the call has left. `ended` becomes True at the stream's end."""
        self.settimeout(call.left())
        count = super().recv_into(*args)
        self.ended = not count
        return count

    def sendall(self, *args: Any) -> None:
        """Sends everything, within the time the call has left (the time-out is for the whole, Python 3.5)."""
        self.settimeout(call.left())
        super().sendall(*args)


class DeadlineTLSSocket(ssl.SSLSocket):
    """The same over TLS, where `sendall` is a loop over `send`."""

    ended = False

    def recv_into(self, *args: Any) -> int:
        """Reads what is there, within the time the call has left. `ended` becomes True at the stream's end."""
        self.settimeout(call.left())
        count = super().recv_into(*args)
        self.ended = not count
        return count

    def send(self, *args: Any) -> int:
        """Sends one piece, within the time the call has left."""
        self.settimeout(call.left())
        return super().send(*args)


def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """A verifying TLS context whose sockets keep the call's deadline."""
    context = ssl.create_default_context(cafile=ca_bundle)
    context.sslsocket_class = DeadlineTLSSocket
    return context


def connect_to(host: str, port: int) -> DeadlineSocket:
    """A connected socket to one of the host's addresses, each checked just before it is used.

    The name is resolved once and the checked address is the one connected to, so that a name whose answer changes
    (DNS rebinding) wins nothing. Raises `OSError`: `AddressNotAllowed`, `gaierror`, `TimeoutError` and their kin.
    """
    ends = monotonic() + min(CONNECT_SECONDS, call.left())
    found = _resolve(host, port, ends - monotonic())
    allowed = [entry for entry in found if call.private_hosts or is_public(str(entry[4][0]))][:ADDRESSES_TRIED]
    if not allowed:
        raise AddressNotAllowed(f"{host} has no public address")
    failure = OSError("no address")
    for tries_left, entry in zip(range(len(allowed), 0, -1), allowed, strict=True):
        try:
            return _connect(entry, (ends - monotonic()) / tries_left)
        except OSError as error:
            failure = error
    raise failure


def _connect(entry: tuple[Any, ...], seconds: float) -> DeadlineSocket:
    family, kind, protocol, _, address = entry
    connection = DeadlineSocket(family, kind, protocol)
    try:
        connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        connection.settimeout(max(seconds, 0.001))
        connection.connect(address)
        connection.settimeout(min(CONNECT_SECONDS, call.left()))
    except BaseException:
        connection.close()
        raise
    return connection


def _resolve(host: str, port: int, seconds: float) -> list[tuple[Any, ...]]:
    # getaddrinfo knows no time-out of its own and has been seen to take 30 s when name servers are away.
    answers: SimpleQueue[list[tuple[Any, ...]] | Exception] = SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(list(getaddrinfo(host, port, type=SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    Thread(target=look_up, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"the name {host} was not resolved in time") from None
    if isinstance(answer, Exception):
        raise answer
    return answer

"""requests' adapter over connections that tell, for certain, when nothing was sent.

One adapter per thread, and no Session around it: a Session would carry one tenant's cookies into another tenant's call
to the same provider, and costs half the time of a call.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from http.client import IncompleteRead
from socket import socket
from ssl import SSLContext
from time import monotonic
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from portal.sockets import DeadlineSocket, DeadlineTLSSocket, call, connect_to

# Servers commonly close an idle connection after 5 s (Node, Apache, uvicorn). A call that crosses that close has an
# unknown outcome, which a person must settle; a new connection costs a few milliseconds.
IDLE_SECONDS = 4.0
ORIGINS_PER_THREAD = 32

# These two write whole URLs into their lines, and some providers take their key in the query.
for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class Unreached(Exception):
    """The connection was not made, for its `__cause__`: nothing of the request has left."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection leads."""

    scheme: str
    host: str
    port: int


class Prepared(PreparedRequest):
    """A request made ready by hand: requests' own `prepare` costs 100 µs and adds nothing we want."""

    origin: Origin
    target: str


class _Connection(HTTPConnection):
    """Connects through the guard. Whatever fails before it is connected is `Unreached`, whatever fails later is not."""

    answered_at = 0.0

    def _new_conn(self) -> socket:
        return connect_to(self._dns_host, self.port)

    def connect(self) -> None:
        """Connects, with the TLS handshake where there is one. No socket but a guarded one is ever used."""
        try:
            super().connect()
            if not isinstance(self.sock, DeadlineSocket | DeadlineTLSSocket):
                raise TypeError("urllib3 made a socket of its own")
        except Exception as error:
            raise Unreached from error

    @property
    def is_connected(self) -> bool:
        """False too when the server is about to close it, as idle."""
        return monotonic() - self.answered_at < IDLE_SECONDS and super().is_connected

    def getresponse(self) -> Any:
        """The answer's head, whole, noting when it came. http.client takes a head that breaks off for a whole one."""
        wire: Any = self.sock
        response = super().getresponse()
        if wire.ended:
            response.close()
            raise IncompleteRead(b"")
        self.answered_at = monotonic()
        return response


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class Adapter(HTTPAdapter):
    """requests' adapter with our pools in it, kept apart by what the call may reach. Never repeats a call."""

    def __init__(self, tls: Callable[[], SSLContext]) -> None:
        super().__init__(max_retries=0)
        self.tls = tls
        self.process = os.getpid()
        self.pools: dict[tuple[Origin, bool], HTTPConnectionPool] = {}

    def init_poolmanager(self, *_args: Any, **_options: Any) -> None:
        """None: a pool other than ours would connect anywhere."""

    def get_connection_with_tls_context(self, request: Any, *_args: Any, **_options: Any) -> HTTPConnectionPool:
        """The pool of one connection to the request's origin."""
        key = (request.origin, call.private_hosts)
        pool = self.pools.get(key)
        if pool is None:
            if len(self.pools) >= ORIGINS_PER_THREAD:
                self.pools.clear()
            pool = self.pools[key] = self._open(request.origin)
        return pool

    def _open(self, origin: Origin) -> HTTPConnectionPool:
        if origin.scheme == "https":
            return _TLSPool(origin.host, origin.port, ssl_context=self.tls())
        return _Pool(origin.host, origin.port)

    def cert_verify(self, *_args: Any) -> None:
        """Nothing: the pool's own TLS context verifies. requests would load the bundle anew for every connection."""

    def request_url(self, request: Any, _proxies: Any) -> str:
        """Path and query."""
        return str(request.target)

    def build_response(self, _request: Any, answer: Any) -> Any:
        """urllib3's response as it is."""
        return answer

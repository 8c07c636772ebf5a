"""The HTTP client's connections: kept, guarded, verified, and silent about secrets."""

import datetime
import ipaddress
import logging
import os
import socket
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from portal import connections, sockets
from portal.http import AddressRefused, HttpClient, NotSent, OutcomeUnknown
from portal.sockets import is_public
from tests.contract.standin import (
    StandIn,
    answer,
    closed_port,
    everything,
    head,
    raw,
    reset_after,
    trickled_body,
)

SECRET = "cast_deadbeefdeadbeefdeadbeef"


@pytest.fixture
def server():
    with StandIn() as standin:
        standin.script(answer(200, {"ok": True}))
        yield standin


@pytest.fixture
def client():
    return HttpClient()


def call(client, server, **options):
    options = {"private_hosts": True, "headers": {"X-API-Key": SECRET}, "json": {"a": 1}} | options
    method = options.pop("method", "POST")
    return client.request(method, server.url + options.pop("path", "/send"), **options)


class TestConnections:
    def test_one_is_kept_per_thread_and_origin(self, client, server):
        for _ in range(5):
            call(client, server)
        assert server.accepted == 1
        other = threading.Thread(target=call, args=(client, server))
        other.start()
        other.join()
        assert server.accepted == 2

    def test_one_that_the_server_closed_is_replaced(self, client, server):
        server.script(raw(head(200, "Content-Length: 2") + b"{}"))
        call(client, server)
        time.sleep(0.05)
        assert call(client, server).status == 200
        assert server.accepted == 2

    def test_one_that_has_been_idle_is_not_trusted(self, client, server, monkeypatch):
        call(client, server)
        monkeypatch.setattr(connections, "IDLE_SECONDS", 0.0)
        call(client, server)
        assert server.accepted == 2

    def test_one_opened_to_a_private_host_does_not_serve_a_guarded_call(self, client, server):
        call(client, server)
        with pytest.raises(AddressRefused):
            call(client, server, private_hosts=False)
        assert len(server.calls) == 1

    def test_a_forked_child_opens_its_own(self, client, server):
        call(client, server)
        child = os.fork()
        if child == 0:
            os._exit(0 if call(client, server).status == 200 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert server.accepted == 2

    def test_an_unguarded_socket_is_never_used(self, client, server, monkeypatch):
        plain = socket.create_connection(("127.0.0.1", server.port))
        monkeypatch.setattr(connections._Connection, "_new_conn", lambda _: plain)
        with pytest.raises(NotSent):
            call(client, server)
        assert not server.calls

    def test_ipv6(self, client):
        try:
            listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError:
            pytest.skip("no IPv6 here")
        with listener, pytest.raises(OutcomeUnknown):
            threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
            client.request("GET", f"http://[::1]:{listener.getsockname()[1]}/", private_hosts=True, deadline=2.0)

    def test_many_origins_do_not_pile_up(self, client, server, monkeypatch):
        monkeypatch.setattr(connections, "ORIGINS_PER_THREAD", 2)
        for number in range(5):
            url = f"http://127.0.0.{number + 1}:{server.port}/"
            with pytest.raises(NotSent) if number else _nothing():
                client.request("GET", url, private_hosts=True)
        assert len(client._local.adapter.pools) <= 2


class TestTLS:
    def test_a_certificate_that_we_trust(self, certificate):
        with StandIn(tls=certificate.context) as server:
            server.script(answer(200, {"ok": True}), trickled_body)
            client = HttpClient(ca_bundle=certificate.path)
            assert call(client, server).json() == {"ok": True}
            with pytest.raises(OutcomeUnknown, match="in time"):
                call(client, server, deadline=0.4)
            assert server.accepted == 1

    def test_a_certificate_that_we_do_not_trust(self, client, certificate):
        with StandIn(tls=certificate.context) as server, pytest.raises(NotSent, match="TLS"):
            server.script(answer(200, {}))
            call(client, server)

    def test_a_certificate_for_another_host(self, certificate):
        with StandIn(tls=certificate.context) as server, pytest.raises(NotSent, match="TLS"):
            server.script(answer(200, {}))
            url = f"https://localhost:{server.port}/"
            HttpClient(ca_bundle=certificate.path).request("GET", url, private_hosts=True)


class TestGuard:
    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0.0.0.0",
            "localhost",
            "10.0.0.1",
            "169.254.169.254",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[fe80::1]",
            "[fd00::1]",
            "[64:ff9b::7f00:1]",
        ],
    )
    def test_private_hosts_are_refused_however_they_are_written(self, client, server, host):
        with pytest.raises(NotSent) as caught:
            client.request("POST", f"http://{host}:{server.port}/", deadline=2.0)
        assert isinstance(caught.value, AddressRefused) or "could not be found" in str(caught.value)
        assert server.accepted == 0

    @pytest.mark.parametrize(
        "host", ["a b", "\x00", "127.0.0.1%00.test", "[fe80::1%lo]", "%31%32%37.0.0.1", "a\x7f", "[::1", "x]", "a<b"]
    )
    def test_a_host_that_is_none_is_told_for_certain(self, client, server, host):
        """As an unknown outcome it would leave the message to a person for ever."""
        with pytest.raises(AddressRefused):
            client.request("POST", f"http://{host}:{server.port}/", private_hosts=True)
        assert server.accepted == 0

    def test_the_address_that_was_checked_is_the_one_connected_to(self, client, server, monkeypatch):
        asked = []

        def rebinding(host, port, **_):
            asked.append(host)
            address = "127.0.0.1" if len(asked) > 1 else "198.51.100.7"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        monkeypatch.setattr(sockets, "getaddrinfo", rebinding)
        monkeypatch.setattr(sockets, "is_public", lambda address: address != "127.0.0.1")
        with pytest.raises(NotSent):
            client.request("POST", f"http://rebinding.test:{server.port}/", deadline=0.4)
        assert len(asked) == 1
        assert server.accepted == 0

    def test_a_private_address_among_public_ones_is_skipped(self, client, server, monkeypatch):
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, closed_port()))
            for address in ("10.0.0.1", "127.0.0.1")
        ]
        monkeypatch.setattr(sockets, "getaddrinfo", lambda *_, **__: found)
        monkeypatch.setattr(sockets, "is_public", lambda address: address == "127.0.0.1")
        with pytest.raises(NotSent, match="refused the connection"):
            client.request("POST", "http://mixed.test/")

    @pytest.mark.parametrize(
        "address",
        [
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "0.1.2.3",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
        ],
    )
    def test_closed_addresses(self, address):
        assert not is_public(address)

    @pytest.mark.parametrize(
        "address",
        ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"],
    )
    def test_open_addresses(self, address):
        assert is_public(address)

    @given(st.ip_addresses())
    def test_what_python_calls_private_is_never_open(self, ip):
        carried = getattr(ip, "ipv4_mapped", None) or ip
        if carried.is_private or carried.is_multicast or carried.is_link_local or carried.is_loopback:
            assert not is_public(str(ip))


class TestSecrets:
    @pytest.mark.parametrize(
        "step", [reset_after, raw(b"x\r\n\r\n"), raw(head(200, "Content-Length: 9", "bad line") + b"a")]
    )
    def test_nothing_secret_in_errors_or_logs(self, client, server, caplog, step):
        caplog.set_level(logging.DEBUG)
        server.script(step)
        with pytest.raises(OutcomeUnknown) as caught:
            call(client, server, path=f"/send?apikey={SECRET}", params={"token": SECRET}, json={"text": SECRET})
        assert SECRET not in everything(caught.value) + caplog.text

    def test_nothing_secret_when_nothing_was_sent(self, client, caplog):
        caplog.set_level(logging.DEBUG)
        with pytest.raises(NotSent) as caught:
            client.request(
                "GET", f"http://127.0.0.1:{closed_port()}/a?apikey={SECRET}", params={"k": SECRET}, private_hosts=True
            )
        assert SECRET not in everything(caught.value) + caplog.text

    def test_nothing_secret_in_the_log_of_a_good_call(self, client, server, caplog):
        caplog.set_level(logging.DEBUG)
        call(client, server, path=f"/send?apikey={SECRET}")
        assert SECRET not in caplog.text


class _nothing:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1, with the server's context that uses it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    today = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "stand-in.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        signed.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return type("Certificate", (), {"context": context, "path": str(path)})

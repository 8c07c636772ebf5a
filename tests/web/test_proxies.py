"""Behind proxies: whose address counts. A forged X-Forwarded-For passes through none of the set-ups we describe."""

import datetime
import ipaddress
import re
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from portal import clock, create_app
from portal.models import Base
from portal.models.people import LoginCount
from tests.portal import Portal, eventually, settings_for
from tests.processes.harness import free_port, status

ROOT = Path(__file__).resolve().parents[2]
CALLER, PROXY, FORGED = "198.51.100.7", "10.0.0.5", "203.0.113.66"


def counted(database) -> set[str]:
    """The addresses that sign-ins were counted under."""
    with database.read() as session:
        keys = session.scalars(select(LoginCount.key).where(LoginCount.key.startswith("address:")))
        return {key.removeprefix("address:") for key in keys}


@pytest.mark.parametrize(
    ("hops", "forwarded", "counts"),
    [
        (0, "", PROXY),
        (0, FORGED, PROXY),  # nobody is trusted: the header is air
        (1, CALLER, CALLER),
        (1, f"{FORGED}, {CALLER}", CALLER),  # nginx appends the caller to what the caller claims
        (1, f"{FORGED}, {FORGED}, {CALLER}", CALLER),
        (2, f"{CALLER}, 10.0.0.9", CALLER),  # a balancer before nginx
        (2, f"{FORGED}, {CALLER}, 10.0.0.9", CALLER),
        (1, "", PROXY),  # a proxy that says nothing: its own address, never the caller's wish
        (2, CALLER, PROXY),  # fewer entries than proxies: somebody came past one of them
    ],
)
def test_only_what_our_own_proxies_added_is_believed(sandbox, tmp_path, hops, forwarded, counts):
    settings = settings_for(f"sqlite:///{tmp_path / 'x.db'}", sandbox, tmp_path, trusted_proxies=hops)
    app = create_app(settings)
    database = app.extensions["portal"].database
    Base.metadata.create_all(database.engine)
    client = app.test_client()
    page = client.get("/login").text
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)[1]
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    form = {"email": "a@example.com", "password": "wrong", "csrf_token": token}
    client.post("/login", data=form, headers=headers, environ_overrides={"REMOTE_ADDR": PROXY})
    assert counted(database) == {counts}


class Front:
    """nginx or Caddy with the configuration of deploy/, on ports of ours and with a certificate of our own making."""

    def __init__(self, kind: str, folder: Path, upstream: str) -> None:
        self.kind, self.folder, self.port, self.plain_port = kind, folder, free_port(), free_port()
        self.url, self.plain_url = f"https://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.plain_port}"
        certify(folder)
        self.process = subprocess.Popen(
            getattr(self, f"_{kind}")(upstream), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )

    def _nginx(self, upstream: str) -> list[str]:
        told = (ROOT / "deploy" / "nginx" / "sendero.conf").read_text()
        told = told.replace("listen 443", f"listen {self.port}").replace("listen 80;", f"listen {self.plain_port};")
        told = re.sub(r"    listen \[::\].*\n", "", told).replace("127.0.0.1:8000", upstream)
        told = re.sub(r"/etc/letsencrypt/live/sms.example.com/", f"{self.folder}/", told)
        told = told.replace("/var/log/nginx", str(self.folder))
        (self.folder / "sendero.conf").write_text(told)
        places = "".join(
            f"{name}_temp_path {self.folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        main = f"pid {self.folder}/pid;\nevents {{}}\nhttp {{\n{places}include {self.folder}/sendero.conf;\n}}\n"
        (self.folder / "nginx.conf").write_text(main)
        words = ["nginx", "-e", f"{self.folder}/error.log", "-p", str(self.folder), "-c", f"{self.folder}/nginx.conf"]
        subprocess.run([*words, "-t"], check=True, capture_output=True)
        return [*words, "-g", "daemon off; master_process off;"]

    def _caddy(self, upstream: str) -> list[str]:
        told = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text()
        version = subprocess.run(["caddy", "version"], capture_output=True, text=True, check=True).stdout
        if [int(part) for part in re.findall(r"\d+", version)[:3]] < [2, 6, 4]:
            told = told.replace("request_buffers 26MB", "buffer_requests")
        pair = f"\ttls {self.folder}/fullchain.pem {self.folder}/privkey.pem\n"
        told = told.replace("sms.example.com {\n", f"127.0.0.1:{self.port} {{\n{pair}")
        head = f"{{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system {self.folder}/storage\n}}\n"
        (self.folder / "Caddyfile").write_text(head + told.replace("127.0.0.1:8000", upstream))
        return ["caddy", "run", "--config", f"{self.folder}/Caddyfile", "--adapter", "caddyfile"]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def certify(folder: Path) -> None:
    """A certificate for 127.0.0.1 that nobody but the test trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(clock.now() - datetime.timedelta(days=1))
    made = made.not_valid_after(clock.now() + datetime.timedelta(days=1))
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = made.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "fullchain.pem").write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "privkey.pem").write_bytes(private)


@pytest.fixture(params=["nginx", "caddy"])
def fronted(request, sandbox, tmp_path):
    """A portal behind that proxy, told that there is one."""
    if shutil.which(request.param) is None:
        pytest.skip(f"needs {request.param}")
    url = f"sqlite:///{tmp_path / 'x.db'}"
    portal = Portal(url, sandbox, tmp_path, trusted_proxies=1, app_url="https://127.0.0.1")
    front = Front(request.param, tmp_path, urlsplit(portal.url).netloc)
    session = requests.Session()
    session.trust_env = False
    session.verify = str(tmp_path / "fullchain.pem")
    try:
        eventually(lambda: _answers(session, front.url), what="the proxy")
        yield portal, front, session
    finally:
        front.close()
        portal.close()


def _answers(session, url) -> bool:
    try:
        return session.get(f"{url}/livez", timeout=60).status_code == 200
    except requests.RequestException:
        return False


def test_a_real_proxy_passes_the_callers_own_address_and_no_other(fronted):
    portal, front, session = fronted
    page = session.get(f"{front.url}/login", timeout=60)
    assert page.status_code == 200 and page.headers["Strict-Transport-Security"]
    [cookie] = session.cookies
    assert cookie.name == "__Host-session" and cookie.secure
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)[1]
    form = {"email": "a@example.com", "password": "wrong", "csrf_token": token}
    headers = {"X-Forwarded-For": f"{FORGED}, 127.0.0.9", "X-Forwarded-Proto": "http", "Referer": f"{front.url}/login"}
    headers |= {"X-Forwarded-Host": "evil.example.com", "Forwarded": f"for={FORGED}"}
    answer = session.post(f"{front.url}/login", data=form, headers=headers, timeout=60)
    assert answer.status_code == 422, answer.text[:500]
    assert counted(portal.database) == {"127.0.0.1"}


def test_a_real_proxy_takes_large_webhooks_keeps_metrics_in_and_names_requests(fronted):
    portal, front, session = fronted
    assert session.get(f"{front.url}/metrics", timeout=60).status_code == 404
    assert status(f"{portal.url}/metrics") == 200, "from this machine, past the proxy"
    own = session.get(f"{front.url}/livez", headers={"X-Request-Id": "forged"}, timeout=60).headers["X-Request-Id"]
    assert own and own != "forged"
    url = f"{front.url}/webhooks/ghl"
    assert session.post(url, data=b"x" * 3_000_000, timeout=60).json()["status"] in (401, 413), "the portal's own word"
    try:
        refused = session.post(url, data=b"x" * 5_000_000, timeout=60).status_code
    except requests.ConnectionError:
        refused = 413  # the proxy hung up before we had told it all
    # Debian 12's Caddy cuts the body at its limit, tells the portal the whole length, and may call that a bad gateway.
    assert refused == 413 or (refused == 502 and front.kind == "caddy")


def test_a_real_proxy_keeps_slow_callers_away(fronted):
    """Each would hold one of the portal's few threads for as long as it likes."""
    portal, front, session = fronted
    seen, real = [], portal.app.wsgi_app

    def count(environ, start_response):
        seen.append(environ["PATH_INFO"])
        return real(environ, start_response)

    portal.app.wsgi_app = count
    context = ssl.create_default_context(cafile=str(front.folder / "fullchain.pem"))
    half = b"POST /webhooks/ghl HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nhalf of it"
    with (
        socket.create_connection(("127.0.0.1", front.port)) as wire,
        context.wrap_socket(wire, server_hostname="127.0.0.1") as slow,
    ):
        slow.sendall(half)
        for _ in range(20):
            assert session.get(f"{front.url}/livez", timeout=60).status_code == 200
        assert set(seen) == {"/livez"}
        slow.sendall(b"x" * 90)
        assert b" 401 " in slow.recv(100), "whole, it is passed on"


def test_nginx_sends_plain_requests_to_tls_and_logs_neither_keys_nor_queries(fronted):
    _, front, session = fronted
    if not (front.folder / "nginx.conf").exists():
        pytest.skip("Caddy keeps no log unless told, and redirects by itself")
    plain = session.get(f"{front.plain_url}/login?next=1", allow_redirects=False, timeout=60)
    assert (plain.status_code, urlsplit(plain.headers["Location"]).scheme) == (301, "https")
    session.get(f"{front.url}/oauth/callback?code=very-secret-code", timeout=60)
    session.post(f"{front.url}/webhooks/sms/cast/very-secret-key/receive", timeout=60)
    logged = eventually(lambda: (front.folder / "sendero.log").read_text(), what="a line")
    assert "/oauth/callback" in logged and "very-secret" not in logged

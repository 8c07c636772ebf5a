"""An S3 service on loopback that checks every signature by the rules, with code of its own, and keeps objects."""

import hashlib
import hmac
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

KEY, SECRET, REGION = "AKIDSTANDIN", "s3cr/et+with=odd?signs", "eu-test-1"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, SignedHeaders=([a-z0-9;-]+), "
    r"Signature=([0-9a-f]{64})"
)


class S3StandIn:
    """`objects` maps `bucket/name` to bytes; `faults` are statuses for the next calls; `refused` says why."""

    def __init__(self, bucket: str = "files") -> None:
        self.bucket = bucket
        self.objects: dict[str, bytes] = {}
        self.faults: list[int] = []
        self.refused: list[str] = []
        self.calls: list[tuple[str, str]] = []
        outer = self

        class Serving(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.calls.append((self.command, self.path))
                status, answer = outer.judge(self, body) or outer.serve(self.command, self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_DELETE = do_PUT

            def log_message(self, *_: object) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Serving)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "S3StandIn":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """What MEDIA_S3 takes."""
        secret = SECRET.replace("/", "%2F").replace("+", "%2B").replace("?", "%3F").replace("=", "%3D")
        return f"http://{KEY}:{secret}@{self.host}/{self.bucket}?region={REGION}"

    def judge(self, call: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes] | None:
        """The refusal that a call deserves."""
        if self.faults:
            return self.faults.pop(0), b"<Error/>"
        why = self._why_not(call, body)
        if why:
            self.refused.append(why)
            return 403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>"
        return None

    def _why_not(self, call: BaseHTTPRequestHandler, body: bytes) -> str:
        match = _AUTHORIZATION.fullmatch(call.headers.get("Authorization", ""))
        if match is None:
            return "no authorization"
        key, day, region, signed, signature = match.groups()
        given = {name.lower(): value for name, value in call.headers.items()}
        if key != KEY or region != REGION or not given.get("x-amz-date", "").startswith(day):
            return "wrong key, region or day"
        if given.get("x-amz-content-sha256") != hashlib.sha256(body).hexdigest():
            return "the body is another one than was signed"
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed.split(";")):
            return "too little is signed"
        path, _, query = call.path.partition("?")
        lines = [call.command, path, query]
        lines += [f"{name}:{given[name].strip()}" for name in signed.split(";")]
        lines += ["", signed, given["x-amz-content-sha256"]]
        scope = f"{day}/{region}/s3/aws4_request"
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{given['x-amz-date']}\n{scope}\n{digest}"
        key_bytes = b"AWS4" + SECRET.encode()
        for word in scope.split("/"):
            key_bytes = hmac.new(key_bytes, word.encode(), hashlib.sha256).digest()
        right = hmac.new(key_bytes, text.encode(), hashlib.sha256).hexdigest()
        return "" if hmac.compare_digest(right, signature) else "the signature is wrong"

    def serve(self, method: str, path: str, headers, body: bytes) -> tuple[int, bytes]:
        """What a call that proved itself gets."""
        name = unquote(path.partition("?")[0]).removeprefix("/")
        if not name.startswith(f"{self.bucket}/"):
            return 404, b"<Error><Code>NoSuchBucket</Code></Error>"
        if method == "PUT":
            self.objects[name] = body
            return 200, b""
        if method == "DELETE":
            self.objects.pop(name, None)
            return 204, b""
        found = self.objects.get(name)
        if found is None:
            return 404, b"<Error><Code>NoSuchKey</Code></Error>"
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("Range", ""))
        return (206, found[int(asked[1]) : int(asked[2]) + 1]) if asked else (200, found)

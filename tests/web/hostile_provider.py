"""An OpenID provider that says whatever a test wants it to say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

CLIENT, SECRET = "us", "between us two"
EVERY = ["RS256", "PS256", "ES256", "EdDSA"]


def encoded(data: bytes | dict) -> str:
    raw = json.dumps(data).encode() if isinstance(data, dict) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def key_of(kind: str, name: str) -> Key:
    made = {"RSA": (RSAKey, 2048), "EC": (ECKey, "P-256"), "OKP": (OKPKey, "Ed25519")}[kind]
    return made[0].generate_key(made[1], {"kid": name, "use": "sig"})


RSA, OTHER, EC, ED = key_of("RSA", "rsa"), key_of("RSA", "other"), key_of("EC", "ec"), key_of("OKP", "ed")


@dataclass
class Hostile:
    """What it says and what it was asked.

    Attributes:
        url: Its issuer.
        clock: Its time.
        document: Changes to its discovery document; None takes a part away.
        keys: That it publishes.
        answers: By path: status and body instead of what would be right.
        tokens: Answers of its token endpoint to codes.
        told: Answer of its UserInfo endpoint.
        asked: Paths it was asked for, in order.
        forms: What came to its token endpoint, with headers.
    """

    url: str
    clock: object
    document: dict = field(default_factory=dict)
    keys: list = field(default_factory=lambda: [RSA])
    answers: dict = field(default_factory=dict)
    tokens: dict = field(default_factory=dict)
    told: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    forms: list = field(default_factory=list)

    def discovery(self) -> dict:
        whole = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": [*EVERY, "HS256", "none"],
            "code_challenge_methods_supported": ["plain", "S256"],
        }
        return {name: value for name, value in (whole | self.document).items() if value is not None}

    def claims(self, nonce: str, /, **changes) -> dict:
        """What is right, but for the changes; None takes a claim away."""
        now = int(self.clock().timestamp())
        whole = {"iss": self.url, "sub": "s-1", "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": nonce, "auth_time": now,
                 "email": "one@city.example", "email_verified": True}  # fmt: skip
        return {name: value for name, value in (whole | changes).items() if value is not None}

    def signed(self, claims: dict, key: Key = RSA, algorithm: str = "RS256", **header) -> str:
        registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        return jwt.encode({"alg": algorithm, "kid": key.kid, **header}, claims, key, registry=registry)

    def unsigned(self, claims: dict, algorithm: str = "none") -> str:
        return f"{encoded({'alg': algorithm})}.{encoded(claims)}."

    def with_secret(self, claims: dict, secret: bytes, kid: str = "rsa") -> str:
        """HS256, by hand: libraries refuse to take a public key for a secret."""
        text = f"{encoded({'alg': 'HS256', 'kid': kid})}.{encoded(claims)}"
        return f"{text}.{encoded(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"

    def gives(self, code: str, token: str, **more) -> None:
        self.tokens[code] = {"access_token": "access", "token_type": "Bearer", "id_token": token, **more}


class Handler(BaseHTTPRequestHandler):
    hostile: Hostile

    def do_GET(self):
        path = self.path.split("?")[0]
        known = {
            "/.well-known/openid-configuration": self.hostile.discovery(),
            "/keys": {
                "keys": [key if isinstance(key, dict) else key.as_dict(private=False) for key in self.hostile.keys]
            },
            "/userinfo": self.hostile.told,
        }
        self.answer(path, known.get(path, {}))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.hostile.forms.append((form, dict(self.headers)))
        token = self.hostile.tokens.get(form.get("code", ""))
        self.answer(
            self.path, token or {"error": "invalid_grant", "error_description": "secret words"}, 200 if token else 400
        )

    def answer(self, path, body, status=200):
        self.hostile.asked.append(path)
        status, body = self.hostile.answers.get(path, (status, body))
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if status in (301, 302):
            self.send_header("location", raw.decode())
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format, *args):
        """Nothing."""


@contextmanager
def hostile_provider(clock):
    """One that runs until the block ends."""
    made = Hostile("", clock)
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Of", (Handler,), {"hostile": made})) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield made
        server.shutdown()
        thread.join()

"""An OpenID provider that is not ours: Django and its OAuth Toolkit, in a process of their own.

    python openid_provider.py PORT FOLDER REDIRECT_URI

It prints ``ready`` once it answers. It signs with RS256, insists on PKCE, names itself in what it sends back (RFC 9207), asks
for consent, and tells e-mail addresses at its UserInfo endpoint alone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

CLIENT, SECRET, PASSWORD = "fiscus-at-work", "s3cret-of-the-client", "elsewhere is another password"
APPS = ("auth", "contenttypes", "sessions")
LOGIN = """<!doctype html><html lang="en"><title>Provider</title><h1>The provider</h1><form method="post">{% csrf_token %}
{{ form.as_p }}<input type="hidden" name="next" value="{{ next }}"><button>Log in</button></form></html>"""
CONSENT = """<!doctype html><html lang="en"><title>Consent</title><h1>Let {{ application.name }} know who you are?</h1>
<form method="post">{% csrf_token %}{% for field in form %}{% if field.is_hidden %}{{ field }}{% endif %}{% endfor %}
<button name="allow" value="Authorize">Allow</button><button name="cancel" value="1">Cancel</button></form></html>"""


def configure(port: int, folder: Path) -> None:
    import django
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from django.conf import settings

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    settings.configure(
        SECRET_KEY="only for tests",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="openid_provider",
        USE_TZ=True,
        LOGIN_URL="/login/",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        INSTALLED_APPS=[*(f"django.contrib.{name}" for name in APPS), "oauth2_provider"],
        MIGRATION_MODULES=dict.fromkeys((*APPS, "oauth2_provider")),  # Tables at once: faster.
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "provider.db"}},
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "context_processors": ["django.template.context_processors.request"],
                    "loaders": [
                        (
                            "django.template.loaders.locmem.Loader",
                            {"registration/login.html": LOGIN, "oauth2_provider/authorize.html": CONSENT},
                        ),
                    ],
                },
            }
        ],
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{port}/o",
            "OIDC_RSA_PRIVATE_KEY": pem,
            "PKCE_REQUIRED": True,
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
            "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
            "SCOPES": {"openid": "Who you are", "email": "Your address"},
            "OAUTH2_VALIDATOR_CLASS": "openid_provider.Validator",
            "ALLOWED_SCHEMES": ["http"],
        },
    )
    django.setup()


def fill(redirect: str) -> None:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", run_syncdb=True, verbosity=0)
    for name, email in (
        ("pc1", "commission-one@city.example"),
        ("nobody", "nobody@city.example"),
        ("late", "unverified@city.example"),
    ):
        User.objects.create_user(name, email, PASSWORD)
    Application.objects.create(
        name="Fiscus",
        client_id=CLIENT,
        client_secret=SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=redirect,
        algorithm=Application.RS256_ALGORITHM,
    )


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def main() -> None:
    port, folder, redirect = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    sys.modules["openid_provider"] = sys.modules["__main__"]
    configure(port, folder)
    fill(redirect)
    from django.contrib.auth.views import LoginView
    from django.core.wsgi import get_wsgi_application
    from django.urls import include, path
    from oauth2_provider.oauth2_validators import OAuth2Validator

    class Validator(OAuth2Validator):
        def get_userinfo_claims(self, request):
            user, told = request.user, super().get_userinfo_claims(request)
            return {**told, "email": user.email, "email_verified": user.username != "late"}

    module = sys.modules[__name__]
    module.Validator = Validator
    module.urlpatterns = [path("login/", LoginView.as_view()), path("o/", include("oauth2_provider.urls"))]
    with make_server("127.0.0.1", port, get_wsgi_application(), Server, Quiet) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()

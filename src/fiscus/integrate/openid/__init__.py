"""Sign-in at an OpenID provider: what it is, what it can do, and what it says about people."""

from fiscus.integrate.openid.client import Account, Client
from fiscus.integrate.openid.provider import Provider, provider_from

__all__ = ["Account", "Client", "Provider", "provider_from"]

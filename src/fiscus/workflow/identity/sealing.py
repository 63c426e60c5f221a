"""Secrets of second factors, sealed before they lie in the database: whoever reads that alone can make no codes."""

from __future__ import annotations

import base64
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fiscus.errors import FiscusError

SECRET_KEY = "FISCUS_SECRET_KEY"
"""Environment variable with the key; several with commas between, the newest first, while one is being replaced."""

SHORTEST = 32
"""Signs of a key, at least."""

MARK = "sealed:"
"""Begins what is sealed; secrets in the clear are base 32 and never hold a colon."""

ADVICE = "python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one"


class Unreadable(FiscusError):
    """A secret that no key at hand opens; nobody gets past it."""


class Keys:
    """Where keys come from: the environment, else a file that only its owner may read.

    Args:
        environment: Looked at when a key is needed.
        file: Beside the database; None where there is no place for one.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, file: Path | None = None) -> None:
        self._environment, self.file = os.environ if environment is None else environment, file

    def known(self) -> tuple[str, ...]:
        """All of them, the newest first; none where there are none.

        Raises:
            Unreadable: For a key that is too short, or a file that others may read.
        """
        if named := self._environment.get(SECRET_KEY, "").strip():
            return _checked([each.strip() for each in named.split(",") if each.strip()], SECRET_KEY)
        if self.file is None or not self.file.exists():
            return ()
        if os.name == "posix" and stat.S_IMODE(self.file.stat().st_mode) & 0o077:
            raise Unreadable(f"{self.file} can be read by others than its owner: chmod 600 it, then start again.")
        return _checked(self.file.read_text(encoding="utf-8").split(), str(self.file))

    def made(self) -> tuple[str, ...]:
        """All of them; a new one in the file where there are none.

        Raises:
            Unreadable: Where there is no place for a file.
        """
        found = self.known()
        if found:
            return found
        if self.file is None:
            raise Unreadable(
                f"A second factor needs a key to be sealed with, and there is none: set {SECRET_KEY} ({ADVICE})."
            )
        fresh = self.file.with_name(f"{self.file.name}.{secrets.token_hex(8)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, self.file)  # Whole or not at all, and never over another's.
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return self.known()

    @property
    def place(self) -> str:
        """Where a person would look for the key."""
        return SECRET_KEY if self.file is None else f"{SECRET_KEY} or {self.file}"


def _checked(keys: list[str], where: str) -> tuple[str, ...]:
    if not keys or any(len(key) < SHORTEST for key in keys):
        raise Unreadable(f"{where}: a key has at least {SHORTEST} signs; {ADVICE}.")
    return tuple(keys)


def seal(secret: str, person: str, keys: tuple[str, ...]) -> str:
    """A secret that only the keys open, and only as that person's."""
    return MARK + _boxes(keys).encrypt(f"{person}\0{secret}".encode()).decode()


def is_sealed(kept: str) -> bool:
    """Whether it was sealed; what is older lies in the clear."""
    return kept.startswith(MARK)


def is_newest(kept: str, keys: tuple[str, ...]) -> bool:
    """Whether the newest key opens it."""
    try:
        _boxes(keys[:1]).decrypt(kept.removeprefix(MARK).encode())
    except InvalidToken:
        return False
    return is_sealed(kept)


def opened(kept: str, person: str, keys: tuple[str, ...], place: str) -> str:
    """The secret.

    Args:
        kept: As the database has it.
        person: Whose it must be.
        keys: That may open it.
        place: Where keys are looked for, for the message.

    Raises:
        Unreadable: Where none opens it, or it was sealed for somebody else.
    """
    if not is_sealed(kept):
        return kept
    told = f"The second factor of {person} cannot be read: the key that it was sealed with is not in {place}. Put that key back."
    if not keys:
        raise Unreadable(told)
    try:
        owner, _, secret = _boxes(keys).decrypt(kept.removeprefix(MARK).encode()).decode().partition("\0")
    except InvalidToken as error:
        raise Unreadable(told) from error
    if owner != person:
        raise Unreadable(f"The second factor of {person} was sealed for {owner}: somebody changed the database.")
    return secret


def _boxes(keys: tuple[str, ...]) -> MultiFernet:
    """One box a key, each by HKDF (RFC 5869), so that any long text will do."""
    made = []
    for key in keys:
        derived = HKDF(SHA256(), 32, None, b"fiscus second factors").derive(key.encode())
        made.append(Fernet(base64.urlsafe_b64encode(derived)))
    return MultiFernet(made)

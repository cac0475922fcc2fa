"""Hashes and checks passwords with argon2id, off the event loop and a few at a time: each takes 64 MiB.

Older releases hashed with bcrypt. Such a hash verifies, and whoever logs in with it gets one of argon2id instead.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
from dataclasses import dataclass

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_CHARACTERS = 15
MAX_BYTES = 1024
BCRYPT_BYTES = 72
BCRYPT_FORM = re.compile(r"\$2[aby]\$(0[4-9]|1[0-7])\$[./A-Za-z0-9]{53}")
"""Of a cost that ends: at 17 a check takes some ten seconds, and each step doubles it."""


def refusal(password: str, *names: str) -> str | None:
    """Why this password is not taken, in a sentence, or None. `names` are what it must not repeat."""
    if len(password) < MIN_CHARACTERS:
        return (
            f"The password needs at least {MIN_CHARACTERS} characters, this one has {len(password)}. "
            "Four or five words that belong together only for you are easy to remember."
        )
    if len(password.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return f"The password may take at most {MAX_BYTES} bytes."
    if len(set(password)) < 5:
        return "The password repeats the same few characters."
    if password.lower() in {name.lower() for name in names}:
        return "The password may not be your name or address."
    return None


@dataclass(frozen=True)
class Checked:
    """What a stored hash says of a password."""

    right: bool
    rehash: bool = False  # right, and stored in a form that a new hash of the same password should replace


class Passwords:
    """Bound to a machine: at most one hash fewer than it has cores at a time, so that pages still answer."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._places = asyncio.Semaphore(max(1, (os.cpu_count() or 1) - 1))

    @functools.cached_property
    def _nobody(self) -> str:
        """What unknown accounts are checked against, so that they take as long as known ones."""
        return self._hasher.hash(os.urandom(16))

    async def hash(self, password: str) -> str:
        async with self._places:
            return await asyncio.to_thread(self._hasher.hash, password.encode("utf-8", "surrogatepass"))

    async def check(self, hashed: str | None, password: str) -> Checked:
        """Compare with a stored hash; None, for an account that does not exist, is never right.

        It costs what a check against argon2id does. A bcrypt hash takes another time, which tells a stranger that an
        account exists and has not been used since an older release; that ends with its first login.
        """
        async with self._places:
            return await asyncio.to_thread(self._check, hashed, password.encode("utf-8", "surrogatepass"))

    def _check(self, hashed: str | None, password: bytes) -> Checked:
        if hashed is not None and BCRYPT_FORM.fullmatch(hashed):
            right = _is_of_bcrypt(hashed, password)
            return Checked(right, rehash=right)
        try:
            right = self._hasher.verify(hashed or self._nobody, password) and hashed is not None
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return Checked(right=False)
        return Checked(right, rehash=right and hashed is not None and self._hasher.check_needs_rehash(hashed))


def _is_of_bcrypt(hashed: str, password: bytes) -> bool:
    """bcrypt reads 72 bytes: older versions of its library dropped what is beyond, today's refuses it."""
    try:
        return bcrypt.checkpw(password[:BCRYPT_BYTES], hashed.encode())
    except ValueError:  # 53 letters that no salt encodes to
        return False

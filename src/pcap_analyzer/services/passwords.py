"""Hashes and checks passwords with argon2id, off the event loop and a few at a time: each takes 64 MiB."""

from __future__ import annotations

import asyncio
import functools
import os
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_CHARACTERS = 15
MAX_BYTES = 1024


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
        """Compare with a stored hash; None, for an account that does not exist, costs the same and is never right."""
        async with self._places:
            right = await asyncio.to_thread(self._verify, hashed, password)
        return Checked(right=right and hashed is not None)

    def _verify(self, hashed: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(hashed or self._nobody, password.encode("utf-8", "surrogatepass"))
        except (VerificationError, InvalidHashError):
            return False

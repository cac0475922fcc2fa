"""Passwords are long, hashed with argon2id, and cost the same for accounts that do not exist."""

from typing import Literal

import bcrypt
import pytest
from argon2 import PasswordHasher

from pcap_analyzer.services.passwords import Checked, Passwords, refusal

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
GOOD = "correct horse battery staple"


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("short", "at least 15 characters, this one has 5"),
        ("x" * 1025, "at most 1024 bytes"),
        ("ü" * 600, "at most 1024 bytes"),
        ("abababababababab", "same few characters"),
        ("Ann@Corp.Example", "may not be your name"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, says: str) -> None:
    sentence = refusal(password, "ann@corp.example")

    assert sentence is not None
    assert says in sentence


def test_length_is_counted_in_characters() -> None:
    assert refusal("pässwörterßéèàç") is None


async def test_a_hash_is_argon2id_and_verifies_only_its_password() -> None:
    passwords = Passwords(CHEAP)

    hashed = await passwords.hash(GOOD)

    assert hashed.startswith("$argon2id$")
    assert await passwords.check(hashed, GOOD) == Checked(right=True)
    assert await passwords.check(hashed, GOOD + "!") == Checked(right=False)


def old_hash(password: str, prefix: str = "$2b$") -> str:
    """What an older release stored: of the first 72 bytes."""
    hashed = bcrypt.hashpw(password.encode("utf-8", "surrogatepass")[:72], bcrypt.gensalt(4)).decode()
    return prefix + hashed[4:]


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
async def test_a_hash_of_an_older_release_verifies_and_asks_to_be_replaced(prefix: str) -> None:
    hashed = old_hash(GOOD, prefix)

    assert await Passwords(CHEAP).check(hashed, GOOD) == Checked(right=True, rehash=True)
    assert await Passwords(CHEAP).check(hashed, GOOD + "!") == Checked(right=False)


@pytest.mark.parametrize("password", ["x1" * 40, "ü" * 40, "a" * 71 + "ü", "nul\0inside this password", "\udcff" * 30])
async def test_passwords_that_bcrypt_cannot_take_whole_verify(password: str) -> None:
    assert await Passwords(CHEAP).check(old_hash(password), password) == Checked(right=True, rehash=True)


@pytest.mark.parametrize(
    "stored",
    [
        "$2b$12$x",
        "$2b$04$" + "é" * 53,
        "$2b$04$" + "z" * 53,
        "$2b$31$" + "." * 53,
        "$2x$04$" + "." * 53,
        old_hash(GOOD) + "x",
        "$argon2id$v=19$m=8,t=1,p=1$",
        "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA",
        "\udcff",
        "é",
    ],
)
async def test_a_malformed_hash_is_never_right_and_never_raises(stored: str) -> None:
    assert await Passwords(CHEAP).check(stored, GOOD) == Checked(right=False)


async def test_a_hash_with_older_parameters_asks_to_be_replaced() -> None:
    hashed = await Passwords(CHEAP).hash(GOOD)
    today = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))

    assert await today.check(hashed, GOOD) == Checked(right=True, rehash=True)
    assert await today.check(hashed, GOOD + "!") == Checked(right=False)


@pytest.mark.parametrize("stored", [None, "", "$2b$12$notargon"])
async def test_who_has_no_usable_hash_never_gets_in(stored: str | None) -> None:
    assert not (await Passwords(CHEAP).check(stored, GOOD)).right


async def test_an_unknown_account_is_checked_against_a_hash_of_the_same_cost() -> None:
    compared: list[str] = []

    class Noting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - as argon2 has it
            compared.append(str(hash))
            return super().verify(hash, password)

    passwords = Passwords(Noting(time_cost=1, memory_cost=8, parallelism=1))
    known = await passwords.hash(GOOD)

    await passwords.check(known, "wrong")
    await passwords.check(None, "wrong")

    parameters = [hashed.split("$")[1:4] for hashed in compared]
    assert parameters == [["argon2id", "v=19", "m=8,t=1,p=1"]] * 2

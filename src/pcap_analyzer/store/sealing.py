"""Ends clear text in the users table: secrets of two-factor logins are sealed, recovery codes are hashed."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pcap_analyzer.errors import KeyUnusable
from pcap_analyzer.keys import Keys, is_code_hash, is_sealed
from pcap_analyzer.store.models import User


@dataclass(frozen=True)
class Sealed:
    """What one pass found and did."""

    secrets: int = 0  # now sealed
    code_lists: int = 0  # now hashed
    malformed: int = 0  # recovery codes that are no JSON list of texts: left as they are
    unreadable: int = 0  # secrets that were sealed with another key, or were changed: left as they are


async def seal_stored(session: AsyncSession, keys: Keys) -> Sealed:
    """`seal_all` inside a session's transaction."""
    return await (await session.connection()).run_sync(seal_all, keys)


def seal_all(connection: Connection, keys: Keys) -> Sealed:
    """Seal and hash what is in clear text; doing it again does nothing. The caller commits.

    Each row is a compare-and-swap: what somebody changes in the meantime stays as they wrote it, for the next pass.
    """
    users = connection.execute(
        select(User.id, User.totp_secret, User.backup_codes)
        .where(or_(User.totp_secret.is_not(None), User.backup_codes.is_not(None)))
        .order_by(User.id)  # two passes at once wait for each other in one direction
    ).all()
    secrets = code_lists = malformed = unreadable = 0
    for user_id, secret, codes in users:
        if secret and is_sealed(secret):
            unreadable += not _opens(keys, secret)
        elif secret:
            still = User.totp_secret == secret
            secrets += _swap(connection, user_id, still, totp_secret=keys.seal(secret))
        clear = None if codes is None else _codes_in(codes)
        if codes is not None and clear is None:
            malformed += 1
        elif clear and not all(map(is_code_hash, clear)):
            hashed = [code if is_code_hash(code) else keys.recovery_code_hash(code) for code in clear]
            still = User.backup_codes == codes
            code_lists += _swap(connection, user_id, still, backup_codes=json.dumps(hashed))
    return Sealed(secrets, code_lists, malformed, unreadable)


def _swap(connection: Connection, user_id: str, still: ColumnElement[bool], **values: str) -> bool:
    changed = connection.execute(update(User).where(User.id == user_id, still).values(**values).returning(User.id))
    return changed.first() is not None


def _codes_in(stored: str) -> list[str] | None:
    """The codes of a stored list; None when it is no list of texts."""
    try:
        codes = json.loads(stored)
    except ValueError:
        return None
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        return None
    return codes


def _opens(keys: Keys, sealed: str) -> bool:
    try:
        keys.open_sealed(sealed)
    except KeyUnusable:
        return False
    return True

"""Encrypts what the database keeps secret, with keys derived from SECRET_KEY or from a file in the data folder.

One master secret, and a key of its own for each use (HKDF-SHA256, RFC 5869), so that none says anything of another.
Stored forms begin with their version: `sealed:v1:` (AES-256-GCM) and `code:v1:` (HMAC-SHA256).
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pcap_analyzer.errors import KeyUnusable

FILE_NAME = "secret.key"
KEY_BYTES = 32
NONCE_BYTES = 12
SHORT_CHARACTERS = 32
SEALED = "sealed:v1:"
CODE = "code:v1:"
SEALING, CODES = b"pcap-analyzer/v1/stored-secrets", b"pcap-analyzer/v1/recovery-codes"
_SEALED_FORM = re.compile(rf"{SEALED}[A-Za-z0-9_-]{{38,}}={{0,2}}")
_CODE_FORM = re.compile(rf"{CODE}[0-9a-f]{{64}}")
log = logging.getLogger(__name__)


class Keys:
    """What one master secret can do. Whoever has another master secret can read nothing of it."""

    def __init__(self, master: bytes) -> None:
        self._sealing = AESGCM(_derive(master, SEALING))
        self._codes = _derive(master, CODES)

    def seal(self, text: str) -> str:
        """`text` encrypted and authenticated; each call gives another result."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + self._sealing.encrypt(nonce, text.encode("utf-8", "surrogatepass"), SEALING)
        return SEALED + urlsafe_b64encode(sealed).decode()

    def open_sealed(self, text: str) -> str:
        """What was sealed. Raises KeyUnusable when it was sealed with another key, or was changed since."""
        if is_sealed(text):
            try:
                sealed = urlsafe_b64decode(text.removeprefix(SEALED))
                clear = self._sealing.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], SEALING)
            except (InvalidTag, binascii.Error):
                pass
            else:
                return clear.decode("utf-8", "surrogatepass")
        raise KeyUnusable(
            "A secret in the database was encrypted with another key, or was changed since: put back the SECRET_KEY "
            f"or the {FILE_NAME} of the data folder with which it was stored."
        )

    def recovery_code_hash(self, code: str) -> str:
        """What is stored of a recovery code, however it is typed: case, spaces and dashes do not count."""
        return CODE + hmac.new(self._codes, _plain(code).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def is_sealed(text: str) -> bool:
    """Whether this is the stored form of a secret, as opposed to a secret in clear text."""
    return _SEALED_FORM.fullmatch(text) is not None


def is_code_hash(text: str) -> bool:
    """Whether this is the stored form of a recovery code."""
    return _CODE_FORM.fullmatch(text) is not None


def open_keys(secret_key: str, data_dir: Path) -> Keys:
    """The keys of SECRET_KEY, or, where it is empty, of `data_dir`/secret.key, which is made when there is none.

    Both are text and count alike: whoever moves to several hosts sets SECRET_KEY to what the file says.
    Raises KeyUnusable when the file is empty, readable by others, or cannot be read or made.
    """
    if not secret_key:
        return Keys(_of_file(data_dir / FILE_NAME))
    if len(secret_key) < SHORT_CHARACTERS:
        log.warning(
            "SECRET_KEY has %d characters: with fewer than %d it can be guessed from a copy of the database",
            len(secret_key),
            SHORT_CHARACTERS,
        )
    return Keys(secret_key.encode("utf-8", "surrogateescape"))


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(master)


def _plain(code: str) -> str:
    return "".join(
        letter for letter in code.casefold() if not letter.isspace() and unicodedata.category(letter) != "Pd"
    )


def _of_file(path: Path) -> bytes:
    try:
        if not path.exists():
            _make(path)
        with path.open("rb") as file:
            mode, master = os.fstat(file.fileno()).st_mode, file.read().strip()
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be read or made: {error.strerror}.") from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyUnusable(f"{path} can be read by others: chmod 600 {path}, and think about who has read it.")
    if not master:
        raise KeyUnusable(f"{path} is empty: put back its backup. Without one, remove it, and a new one is made.")
    return master


def _make(path: Path) -> None:
    """A new key, whole on the disk before it has its name; of two processes at once, both use the first one's.

    It is written under another name and linked, because a link fails where its name is taken, and because a process
    that is killed in between leaves no empty key.
    """
    unfinished = path.with_name(f".{FILE_NAME}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{secrets.token_urlsafe(KEY_BYTES)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(unfinished, path)
        except FileExistsError:
            return
    finally:
        unfinished.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

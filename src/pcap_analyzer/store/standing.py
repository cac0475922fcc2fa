"""Where a SQLite file stands, learnt without changing a byte of it, and what is to be done where that is not head."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pcap_analyzer.errors import DatabaseUnavailable, StorageUnavailable, UnknownSchema
from pcap_analyzer.store.adoption import file, schemas
from pcap_analyzer.store.chain import head, revisions


@dataclass(frozen=True)
class Standing:
    exists: bool
    revision: str | None
    advice: str | None  # what is to be done, in sentences; None at head


def standing(path: Path) -> Standing:
    """Raises StorageUnavailable or DatabaseUnavailable for what cannot be read as a database."""
    if not path.parent.is_dir() and any(folder.is_file() for folder in path.parents):
        raise StorageUnavailable(f"{path.parent} is no folder: set DATA_DIR or DATABASE_URL to another place.")
    if path.is_dir():
        raise StorageUnavailable(f"{path} is a folder and no database file: set DATABASE_URL to another place.")
    if not path.exists():
        made = "`pcap-analyzer serve` makes it, and so does `pcap-analyzer db upgrade`"
        return Standing(exists=False, revision=None, advice=f"There is no database at {path} yet: {made}.")
    try:
        schema = file.look(path)
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(f"{error} Put back a backup, or set DATABASE_URL to another file.") from error
    return Standing(exists=True, revision=schema.revision, advice=_advice(schema, path.name))


def _advice(schema: schemas.Schema, name: str) -> str | None:
    try:
        kind = schemas.recognise(schema, name)
    except UnknownSchema as error:
        return str(error)
    if kind is schemas.Kind.ADOPTABLE:
        return (
            f"{name} is of an earlier release: the start of the service takes it over, or `pcap-analyzer db upgrade`."
        )
    return revision_advice(schema.revision)


def revision_advice(revision: str | None) -> str | None:
    """What is to be done with a database at this revision; None at head."""
    if revision == head():
        return None
    if revision is not None and revision not in revisions():
        return (
            f"The database is at revision {revision} of a newer release, and this one knows {head()} at most: run that "
            "release, or restore a backup from before its upgrade."
        )
    stands = "at no revision" if revision is None else f"at revision {revision}"
    return f"The database is {stands}, this release needs {head()}: run `pcap-analyzer db upgrade`."


def write_protection(path: Path) -> str | None:
    """Why the service could not write a database that can be read, in a sentence; None where it could."""
    for place in (path, path.parent):  # its journal lies beside it
        if not os.access(place, os.W_OK, effective_ids=True):
            return f"{place} cannot be written, and the service could not start: give its user the right to."
    return None

"""Keys that tests call by names."""

import uuid


def id_of(name: str) -> str:
    """A UUID, always the same one for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))

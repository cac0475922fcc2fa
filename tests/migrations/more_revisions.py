"""The chain of the program with more revisions at its end, in this process or in one of its own.

python -m tests.migrations.more_revisions FOLDER db upgrade
"""

import os
import sys
from pathlib import Path

import pytest
from alembic.config import Config

from pcap_analyzer.cli.main import run
from pcap_analyzer.store import chain, migrations, upgrade


def write(folder: Path, number: int, up: str, down: str = "pass") -> str:
    """A revision of those statements, after our head or after the one with the number before; returns its id."""
    after = chain.head() if number == 0 else f"ffffffff{number - 1:04d}"
    revision = f"ffffffff{number:04d}"
    folder.mkdir(exist_ok=True)
    (folder / f"more{number}.py").write_text(
        f'"""One more."""\nfrom alembic import op\nfrom sqlalchemy import text\n'
        f"from pcap_analyzer.store.migrations import indexes, table_locks\n"
        f"revision, down_revision, branch_labels, depends_on = {revision!r}, {after!r}, None, None\n"
        f"def upgrade():\n    {up}\ndef downgrade():\n    {down}\n"
    )
    return revision


def config_with(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", chain.LOCATION)
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", os.pathsep.join([f"{migrations.__path__[0]}/versions", str(folder)]))
    return config


def add_to(patch: pytest.MonkeyPatch, folder: Path) -> None:
    for module in (chain, upgrade):
        patch.setattr(module, "alembic_config", lambda: config_with(folder))


if __name__ == "__main__":
    add_to(pytest.MonkeyPatch(), Path(sys.argv[1]))
    sys.exit(run(sys.argv[2:]))

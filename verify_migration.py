"""Try this release's migrations in a temporary database: `python verify_migration.py`, as `db verify --migrations`."""

import sys
from importlib.util import find_spec


def main() -> int:
    if find_spec("pcap_analyzer") is None:
        sys.stderr.write("The package is not installed for this Python: `make setup`, then .venv/bin/python.\n")
        return 2
    from pcap_analyzer.cli.main import run  # noqa: PLC0415 - only now it is known to be there

    return run(["db", "verify", "--migrations", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())

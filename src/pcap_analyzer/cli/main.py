"""The command `pcap-analyzer`: finds the command that was asked for and imports that one only."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

from pcap_analyzer import __version__
from pcap_analyzer.cli import failures, guide
from pcap_analyzer.cli.ondemand import CommandsOnDemand

#: The one command that has threads and files to close at its end.
SERVICE = "pcap_analyzer.cli.serve"

#: One thread for NumPy's linear algebra, of which nothing here is used: its threads would cost at every start.
SINGLE_THREADED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Everything(CommandsOnDemand):
    commands_on_demand = {  # noqa: RUF012 - click makes the object
        "analyze": ("pcap_analyzer.cli.analyze", "Read captures and say why they are slow."),
        "explain": ("pcap_analyzer.cli.explain", "Say what a detector looks for, how, and by which thresholds."),
        "serve": (SERVICE, "Start the web service for a team."),
        "db": ("pcap_analyzer.cli.db", "Look after the database: upgrade, verify, copy, back up."),
        "users": ("pcap_analyzer.cli.users", "Decide who may come in."),
    }


@click.group(
    cls=Everything,
    no_args_is_help=True,
    context_settings=guide.SETTINGS,
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=lambda ctx, _, wanted: guide.tell_and_end(ctx, [f"pcap-analyzer {__version__}"], wanted=wanted),
    help="Show the version and exit.",
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show where the program failed, if it did.")
def cli() -> None:
    """Drop a packet capture, read why it is slow, with proof.

    \b
    Start here:
      pcap-analyzer analyze slow.pcapng                    in the terminal
      pcap-analyzer analyze slow.pcapng --html slow.html   one file to send
      pcap-analyzer analyze slow.pcapng --json - | jq .verdict
      pcap-analyzer analyze *.pcapng -o reports --fail-on high
      pcap-analyzer explain slow_server                    how it was measured
      pcap-analyzer serve                                  in the browser

    \b
    Exit codes:
        0  done
        1  there are findings at or above --fail-on
        2  wrong usage
        3  not a capture, or unreadable
        4  a cut or damaged capture, with --strict
        5  a result could not be written
       70  the program failed, which is a fault of its own
      130  interrupted
      141  whoever read the output went away

    \b
    Complete commands with the Tab key (bash; zsh and fish likewise):
      eval "$(_PCAP_ANALYZER_COMPLETE=bash_source pcap-analyzer)"
    """


def run(arguments: list[str]) -> int:
    """The exit code of a command line."""
    debug = arguments[:1] == ["--debug"] or bool(os.environ.get("PCAP_ANALYZER_DEBUG"))
    return failures.guarded(lambda: _dispatch(arguments, debug=debug), debug=debug)


def _dispatch(arguments: list[str], *, debug: bool) -> int:
    try:
        code = cli.main(arguments, prog_name="pcap-analyzer", standalone_mode=False, obj=debug)
    except click.exceptions.Abort:
        return failures.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return code if isinstance(code, int) else failures.DONE


def main() -> NoReturn:
    for name in SINGLE_THREADED:
        os.environ.setdefault(name, "1")
    gc.disable()  # until a command is imported: searching young modules for garbage finds none
    code = run(sys.argv[1:])
    if SERVICE in sys.modules:
        sys.exit(code)
    _leave_at_once(code)


def _leave_at_once(code: int) -> NoReturn:
    """Without taking the interpreter down piece by piece: a tenth of the CPU of a small analysis, for nothing.

    Every file of ours is closed by now; temporary ones have no name and vanish with the process.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):  # what could not be written was told when it was tried
                stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()

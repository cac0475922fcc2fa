"""`pcap-analyzer db copy`: from SQLite to PostgreSQL, and back if need be."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TypedDict, Unpack

import click

from pcap_analyzer import settings
from pcap_analyzer.cli import failures, guide, outputs
from pcap_analyzer.cli.db.copy_progress import CopyProgress
from pcap_analyzer.errors import Conflict, UsageError
from pcap_analyzer.report.format import plural
from pcap_analyzer.store.neighbours import refuse_two_databases
from pcap_analyzer.store.transfer.cells import Fix
from pcap_analyzer.store.transfer.comparing import differences
from pcap_analyzer.store.transfer.job import Mode, Order, Outcome, carry_out
from pcap_analyzer.store.transfer.preflight import Preflight
from pcap_analyzer.store.transfer.report import FILES_STAY, report
from pcap_analyzer.store.urls import DatabaseUrl, parse_url

SHOWN_LINES = 20


class Given(TypedDict):
    """What click passes."""

    source: str
    target: str | None
    dry_run: bool
    resume: bool
    verify_only: bool
    fix: tuple[str, ...]
    report_file: Path | None
    quiet: bool
    strays: tuple[str, ...]


class CopyCommand(guide.Command):
    """Its help lists the repairs."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Repairs"):
            formatter.write_dl([(f"--fix {fix}", fix.meaning) for fix in Fix])
            formatter.write_paragraph()
            formatter.write_text(
                "What a repair takes away is kept as JSON in the table adopted_orphans, and the report lists each. "
                "Give the same repairs to --resume and to --verify-only."
            )


@click.command(cls=CopyCommand, context_settings=guide.SETTINGS)
@click.option("--from", "source", metavar="URL", required=True, help="The database that is read.")
@click.option(
    "--to",
    "target",
    metavar="URL",
    help="The empty database that is filled.  [default: DATABASE_DIRECT_URL, else DATABASE_URL]",
)
@click.option("--dry-run", is_flag=True, help="List everything that stands in the way; write nothing.")
@click.option("--resume", is_flag=True, help="Go on with a copy that was interrupted.")
@click.option("--verify-only", is_flag=True, help="Compare both sides, row by row; write nothing.")
@click.option("--fix", metavar="NAME", multiple=True, help="Repair this kind of problem on the way, see below.")
@click.option(
    "--report",
    "report_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the report goes.  [default: copy-report-TIME.json]",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary. Problems are still told on stderr.")
@click.argument("strays", nargs=-1, metavar="")
def copy(**given: Unpack[Given]) -> int:
    """Copy every row into another database, then prove that both are equal.

    \b
      pcap-analyzer db copy --dry-run --from sqlite:///data/pcap_analyzer.db --to postgresql://owner@host/name
      pcap-analyzer db copy --from sqlite:///data/pcap_analyzer.db --to postgresql://owner@host/name
      pcap-analyzer db copy --resume --from sqlite:///data/pcap_analyzer.db --to postgresql://owner@host/name

    Without --to the target is the database of the settings, so that no other process can read its password from the
    command line. Where a URL has none, PGPASSWORD or ~/.pgpass does.

    Stop the service first. Both sides have to be at this release's revision: run `db upgrade` on each. The captures
    and reports in DATA_DIR are files and stay where they are.

    The exit code is 0 where both sides are equal (with --dry-run: where nothing stands in the way), 2 where rows differ
    or something is to be repaired first, 5 where a database cannot be reached.
    """
    os.umask(0o077)  # the report shows names and addresses of people
    order = _order(given)
    file = given["report_file"] or Path(time.strftime("copy-report-%Y%m%dT%H%M%SZ.json", time.gmtime()))
    outputs.check_place_of(file)
    outcome = _carried_out(order, quiet=given["quiet"])
    outputs.write_whole(file, report(outcome))
    if outcome.preflight is not None:
        _tell_problems(outcome.preflight, file)
    if not given["quiet"]:
        outputs.write_standard_output("".join(f"{line}\n" for line in _summary(outcome, file)))
    if not outcome.is_good:
        raise _refusal(outcome, file)
    return failures.DONE


def _carried_out(order: Order, *, quiet: bool) -> Outcome:
    try:
        with CopyProgress(quiet=quiet) as progress:
            return asyncio.run(carry_out(order, on_step=progress))
    except KeyboardInterrupt:
        if order.mode in (Mode.COPY, Mode.RESUME):
            failures.say("The copy was interrupted: the same command goes on with --resume.")
        raise


def _order(given: Given) -> Order:
    """Nothing that was typed is repeated in an error: it may hold a password."""
    if given["strays"]:
        raise UsageError("db copy takes its URLs after --from and --to; there is something else on the command line.")
    if given["report_file"] is not None and ":/" in str(given["report_file"]):
        raise UsageError("--report names a file, and this is a URL.")
    wanted = [mode for mode in (Mode.DRY_RUN, Mode.RESUME, Mode.VERIFY_ONLY) if _asked(given, mode)]
    if len(wanted) > 1:
        raise UsageError("Only one of --dry-run, --resume and --verify-only can be given.")
    fixable = {fix.value for fix in Fix}
    if not fixable.issuperset(given["fix"]):
        raise UsageError(f"--fix knows {', '.join(sorted(fixable))}.")
    fixes = frozenset(map(Fix, given["fix"]))
    mode = wanted[0] if wanted else Mode.COPY
    known = settings.load()
    source = _url(given["source"], "--from", known)
    target = _of_settings(known, source) if given["target"] is None else _url(given["target"], "--to", known)
    return Order(source, target, mode, fixes, known.data_dir if known.database_urls().main == source else None)


def _asked(given: Given, mode: Mode) -> bool:
    return {Mode.DRY_RUN: given["dry_run"], Mode.RESUME: given["resume"], Mode.VERIFY_ONLY: given["verify_only"]}[mode]


def _of_settings(known: settings.Settings, source: DatabaseUrl) -> DatabaseUrl:
    """The database that upgrades go to, which has to be the service's."""
    urls = known.database_urls()
    if urls.direct == source:
        raise UsageError("Without --to the target is DATABASE_URL, which names the source: set it to the new database.")
    asyncio.run(refuse_two_databases(urls, known.engine_options()))
    return urls.direct


def _url(typed: str, option: str, known: settings.Settings) -> DatabaseUrl:
    if not typed:
        raise UsageError(f"{option} is empty; it takes sqlite:///path/to/file.db or postgresql://user@host/name.")
    url = parse_url(typed, data_dir=known.data_dir, ssl_mode=known.database_ssl_mode, name=option)
    if (warning := getattr(url, "warning", None)) is not None:
        failures.say(warning)
    return url


def _tell_problems(preflight: Preflight, file: Path) -> None:
    for problem in preflight.unsolved[:SHOWN_LINES]:
        how = f"--fix {problem.fix}" if problem.fix else "repair it in the source"
        failures.tell(f"  {problem.table} {problem.key}: {problem.column} {problem.said} ({how})")
    if (more := preflight.unsolved_count - SHOWN_LINES) > 0:
        failures.tell(f"  … and {more:,} more: see {file}")


def _summary(outcome: Outcome, file: Path) -> list[str]:
    lines = []
    preflight = outcome.preflight
    if preflight is not None:
        lines.append(f"{sum(preflight.rows.values()):,} rows in {len(preflight.rows)} tables were checked.")
        lines += [f"  --fix {fix}: {count:,}" for fix, count in preflight.fixed.items()]
        named = sum(preflight.files.values())
        lines.append(f"Tasks name {plural(named, 'file')}. {FILES_STAY}")
    for table in outcome.compared or ():
        verdict = "equal" if not table.differences else f"{len(table.differences):,} different"
        aside = f", {table.put_aside:,} put aside" if table.put_aside else ""
        lines.append(
            f"  {table.table}: {table.rows_source:,} rows, {table.rows_target:,} in the target{aside}: {verdict}"
        )
    return [*lines, f"Wrote {file}"]


def _refusal(outcome: Outcome, file: Path) -> Conflict:
    if outcome.compared is None:
        count = outcome.preflight.unsolved_count if outcome.preflight else 0
        return Conflict(f"{plural(count, 'problem')} in the source; nothing was copied. {file} lists them.")
    found = differences(outcome.compared)
    error = Conflict(f"The databases differ in {plural(len(found), 'row')}. {file} lists all.")
    for each in found[:SHOWN_LINES]:
        error.add_note(f"{each.table} {each.key} {each.what}")
    return error

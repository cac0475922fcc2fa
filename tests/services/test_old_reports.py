"""Reports of an earlier release are found inside the data folder alone, however that release wrote where they lie."""

import os
from pathlib import Path

import pytest

from pcap_analyzer.errors import NotFound
from pcap_analyzer.services import old_reports
from pcap_analyzer.services.old_reports import Kind
from pcap_analyzer.storage import Storage
from pcap_analyzer.store.models import Task, TaskStatus


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    (tmp_path / "data" / "reports").mkdir(parents=True)
    (tmp_path / "data" / "reports" / "one.html").write_bytes(b"<p>old</p>")
    (tmp_path / "data" / "reports" / "one.json").write_bytes(b"{}")
    (tmp_path / "outside.html").write_bytes(b"outside")
    return Storage(tmp_path / "data")


def task(html: str | None, *, status: TaskStatus = TaskStatus.COMPLETED, report_key: str | None = None) -> Task:
    return Task(task_id="one", status=status, report_key=report_key, report_html_path=html, report_json_path=None)


def content(storage: Storage, path: str) -> bytes:
    return b"".join(old_reports.open_report(storage, task(path), Kind.HTML).chunks())


@pytest.mark.parametrize(
    "path",
    [
        "reports/one.html",
        "./reports/one.html",
        "data/reports/one.html",
        "{folder}/reports/one.html",
        "/app/data/reports/one.html",
    ],
)
def test_each_way_in_which_a_row_names_its_report_leads_to_it(storage: Storage, path: str) -> None:
    stored = path.format(folder=storage.folder)

    assert content(storage, stored) == b"<p>old</p>"
    assert old_reports.available(storage, task(stored)) == (Kind.HTML,)


def test_a_data_folder_that_is_a_link_itself_is_no_hindrance(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(storage.folder)

    linked = Storage(tmp_path / "linked")

    assert content(linked, f"{storage.folder}/reports/one.html") == b"<p>old</p>"
    assert content(linked, f"{tmp_path}/linked/reports/one.html") == b"<p>old</p>"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "reports/two.html",
        "reports",
        "reports/folder.html",
        "reports/pipe.html",
        "reports/link.html",
        "linked/one.html",
        "../outside.html",
        "data/../../outside.html",
        "{folder}/../outside.html",
        "{folder}x/one.html",
        "{outside}",
        "/etc/hostname",
        "secret.key",
        "reports/one.json",
        "reports/one.html\0.html",
        "reports/" + "n" * 300 + ".html",
    ],
)
def test_nothing_else_is_ever_opened_or_removed(storage: Storage, tmp_path: Path, path: str) -> None:
    (storage.folder / "secret.key").write_bytes(b"key")
    (storage.folder / "reports" / "folder.html").mkdir()
    os.mkfifo(storage.folder / "reports" / "pipe.html")
    (storage.folder / "reports" / "link.html").symlink_to(tmp_path / "outside.html")
    (storage.folder / "linked").symlink_to(storage.folder / "reports")
    before = sorted(tmp_path.rglob("*"))
    stored = path.format(folder=storage.folder, outside=tmp_path / "outside.html")

    old_reports.remove(storage, ((Kind.HTML, stored),))

    assert old_reports.available(storage, task(stored)) == ()
    with pytest.raises(NotFound):
        content(storage, stored)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "other",
    [
        task("reports/one.html", report_key="results/one/report.json"),
        task("reports/one.html", status=TaskStatus.EXPIRED),
        task("reports/one.html", status=TaskStatus.FAILED),
        task(None),
    ],
)
def test_other_tasks_have_no_old_report(storage: Storage, other: Task) -> None:
    assert old_reports.available(storage, other) == ()
    with pytest.raises(NotFound):
        old_reports.open_report(storage, other, Kind.HTML)


def test_reports_are_removed_and_removing_them_again_is_fine(storage: Storage) -> None:
    paths = ((Kind.HTML, "data/reports/one.html"), (Kind.JSON, "reports/one.json"))

    old_reports.remove(storage, paths)
    old_reports.remove(storage, paths)

    assert list((storage.folder / "reports").iterdir()) == []


def test_a_file_that_grows_meanwhile_is_sent_as_long_as_it_was_announced(storage: Storage) -> None:
    report = old_reports.open_report(storage, task("reports/one.html"), Kind.HTML)
    with (storage.folder / "reports" / "one.html").open("ab") as file:
        file.write(b"more")

    assert (b"".join(report.chunks()), report.size) == (b"<p>old</p>", 10)
    assert report.file.closed

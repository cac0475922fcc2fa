"""Analyses of an earlier release: their numbers, their report as a download, and their end."""

import pytest
from sqlalchemy import text

from tests.web.house import House

TASK = "10000000-0000-4000-8000-000000000001"
HOSTILE = b"<script>alert(document.domain)</script>"


async def adopt(house: House, owner: str, status: str = "completed", message: str | None = None) -> None:
    """A task as adoption leaves it, with its two files; the paths are as that release wrote them."""
    folder = house.runtime.storage.folder
    (folder / "reports").mkdir()
    (folder / "reports" / "one.html").write_bytes(HOSTILE)
    (folder / "reports" / "one.json").write_bytes(b'{"score": 87.54}')
    values = {
        "id": TASK,
        "owner": owner,
        "status": status,
        "message": message,
        "html": "data/reports/one.html",
        "json": str(folder / "reports" / "one.json"),
    }
    async with house.runtime.database.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO tasks (task_id, filename, status, uploaded_at, analyzed_at, total_packets, health_score,"
                " report_html_path, report_json_path, owner_id, error_message, file_size_bytes) SELECT :id,"
                " 'office.pcap', :status, '2024-02-01T00:00:00.000000+00:00', '2024-02-01T00:05:00.000000+00:00',"
                " 512, 87.54, :html, :json, id, :message, 1234 FROM users WHERE username = :owner"
            ),
            values,
        )


async def test_an_old_analysis_shows_its_numbers_and_offers_its_report(house: House) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        await adopt(house, "root")
        home, page = await client.get("/"), await client.get(f"/tasks/{TASK}")

    assert "Analysed by an earlier release" in home.text
    for shown in (
        "Analysed by an earlier release",
        "office.pcap",
        ">512<",
        ">87.5<",
        "2024-02-01T00:05:00+00:00",
    ):
        assert shown in page.text
    for link in ("old-report.html", "old-report.json"):
        assert f'href="/tasks/{TASK}/{link}" download' in page.text
    assert "/retry" not in page.text


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("html", HOSTILE, "text/html; charset=utf-8"),
        ("json", b'{"score": 87.54}', "application/json"),
    ],
)
async def test_an_old_report_is_saved_and_never_shown_with_rights_of_this_site(
    house: House, name: str, content: bytes, media_type: str
) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        await adopt(house, "root")
        answer = await client.get(f"/tasks/{TASK}/old-report.{name}")

    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="office.pcap.{name}"')
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-length"] == str(len(content))


async def test_a_report_that_is_gone_is_said_to_be(house: House) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        await adopt(house, "root")
        for path in (house.runtime.storage.folder / "reports").iterdir():
            path.unlink()
        page, gone = await client.get(f"/tasks/{TASK}"), await client.get(f"/tasks/{TASK}/old-report.html")

    assert "The report that it made is no longer on this server." in page.text
    assert "old-report" not in page.text
    assert gone.status_code == 404
    assert "is no longer on this server" in gone.text


async def test_another_s_old_report_does_not_exist(house: House) -> None:
    admin = await house.admin()
    await adopt(house, "root")

    async with house.client(await house.person("uma", by=admin)) as client:
        answers = [await client.get(f"/tasks/{TASK}/old-report.{name}") for name in ("html", "json")]

    assert [answer.status_code for answer in answers] == [404, 404]


async def test_deleting_an_old_analysis_deletes_its_report(house: House) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        await adopt(house, "root")
        deleted = await client.post(f"/tasks/{TASK}/delete")

    assert deleted.status_code == 303
    assert list((house.runtime.storage.folder / "reports").iterdir()) == []


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("This one was deleted on 2026-01-10.", "This one was deleted on 2026-01-10."),
        (None, "Its time on this server was over"),
    ],
)
async def test_an_expired_analysis_says_what_happened(house: House, message: str | None, said: str) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        await adopt(house, "root", "expired", message)
        home, page = await client.get("/"), await client.get(f"/tasks/{TASK}")
        report = await client.get(f"/tasks/{TASK}/old-report.html")

    assert "Expired" in home.text
    assert "This analysis has expired" in page.text
    assert said in page.text
    assert "old-report" not in page.text
    assert report.status_code == 404

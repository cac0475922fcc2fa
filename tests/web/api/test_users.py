"""What the API says of accounts."""

from tests.web.house import House

APPROVAL = {"is_approved", "approved_by", "approved_at"}


def test_the_description_names_who_approved_and_when_for_oneself_and_for_everybody(house: House) -> None:
    described = house.app.openapi()
    answers = [
        described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        for path in ("/api/v1/users/me", "/api/v1/users")
    ]
    schemas = described["components"]["schemas"]
    mine, everybody = (schemas[answer.rpartition("/")[2]] for answer in answers)
    one_of_them = schemas[everybody["properties"]["users"]["items"]["$ref"].rpartition("/")[2]]

    assert mine["properties"].keys() >= APPROVAL
    assert one_of_them["properties"].keys() >= APPROVAL
    assert set(mine["required"]) >= APPROVAL


async def test_somebody_reads_who_let_them_in(house: House) -> None:
    admin = await house.admin()
    uma = await house.person("uma", by=admin)
    async with house.client(admin) as client:
        root = (await client.get("/api/v1/users/me")).json()
    async with house.client(uma) as client:
        me = (await client.get("/api/v1/users/me")).json()

    assert (me["is_approved"], me["approved_by"]) == (True, root["id"])
    assert me["approved_at"] is not None
    assert (root["is_approved"], root["approved_by"], root["role"]) == (True, None, "admin")


async def test_administrators_page_through_accounts_of_a_status(house: House) -> None:
    admin = await house.admin()
    for name in ("pia", "pol", "pam"):
        await house.person(name, by=None)
    async with house.client(admin) as client:
        first = (await client.get("/api/v1/users?status=pending&size=2")).json()
        second = (await client.get("/api/v1/users?status=pending&size=2&page=2")).json()
        everybody = (await client.get("/api/v1/users")).json()
        wrong = await client.get("/api/v1/users?status=no-such-status")

    assert [user["username"] for user in first["users"] + second["users"]] == ["pia", "pol", "pam"]
    assert (first["total"], everybody["total"], wrong.status_code) == (3, 4, 422)


async def test_the_page_says_who_decided(house: House) -> None:
    admin = await house.admin()
    await house.person("uma", by=admin)
    async with house.client(admin, accept="text/html") as client:
        page = (await client.get("/admin/users")).text

    assert "by <bdi>root</bdi>" in page

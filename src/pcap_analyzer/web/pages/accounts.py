"""Logging in and out, asking for access, waiting, and the setup of a new server."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from pcap_analyzer.errors import NotFound
from pcap_analyzer.services import accounts, receipts
from pcap_analyzer.services.accounts import Credentials, Registration
from pcap_analyzer.services.passwords import MIN_CHARACTERS
from pcap_analyzer.store.session import AsyncSession
from pcap_analyzer.store.users import UserStatus
from pcap_analyzer.web.deps import Data, Person, RequestDatabase, Running
from pcap_analyzer.web.runtime import Runtime
from pcap_analyzer.web.security import (
    clear_session_cookie,
    cookie_name,
    receipt_name,
    set_receipt_cookie,
    set_session_cookie,
)
from pcap_analyzer.web.templating import render
from pcap_analyzer.web.views import LoginView, Problem, RegisterView, SetupView, WaitingView

router = APIRouter()
WRONG = Problem(None, "The name or the password is wrong.")
NOTICES = {"out": "You are logged out."}


def local_path(given: str) -> str:
    """`given` if it is a path of this site, else `/`: a link must not send anybody elsewhere."""
    safe = given.startswith("/") and not given.startswith(("//", "/\\")) and given.isprintable() and "\\" not in given
    return given if safe else "/"


@router.get("/login")
async def login_form(
    request: Request,
    person: Person,
    data: Data,
    next: str = "/",  # noqa: A002
    notice: str = "",
) -> Response:
    if person is not None:
        return RedirectResponse(local_path(next) if person.is_active else "/waiting", HTTPStatus.SEE_OTHER)
    nobody = await data.read(accounts.nobody_can_log_in)
    return render(request, "login.html", LoginView("", local_path(next), (), NOTICES.get(notice), nobody))


@router.post("/login")
async def log_in(
    request: Request,
    runtime: Running,
    login: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    async def look(session: AsyncSession) -> tuple[Credentials, bool]:
        return await accounts.credentials(session, login), await accounts.nobody_can_log_in(session)

    stored, nobody = await runtime.database.read(look)
    checked = await runtime.passwords.check(stored.hashed_password, password)
    if not checked.right or stored.user_id is None:
        view = LoginView(login, local_path(next), (WRONG,), None, nobody)
        return render(request, "login.html", view, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    if checked.rehash:
        await _rehash(runtime, stored, password)
    return await _enter(request, runtime, stored.user_id, local_path(next))


async def _rehash(runtime: Runtime, checked: Credentials, password: str) -> None:
    """Store a hash of today's kind while the password is known."""
    user_id, old = checked.user_id, checked.hashed_password
    assert user_id is not None
    assert old is not None
    better = await runtime.passwords.hash(password)
    await runtime.database.write(lambda session: accounts.rehash(session, user_id, old, better))


async def _enter(request: Request, runtime: Runtime, user_id: str, target: str) -> Response:
    old = request.cookies.get(cookie_name(runtime.settings))
    now = datetime.now(UTC)
    token = await runtime.database.write(lambda session: accounts.complete_login(session, user_id, now, old_token=old))
    response = RedirectResponse(target, HTTPStatus.SEE_OTHER)
    set_session_cookie(response, token, runtime.settings)
    return response


@router.post("/logout")
async def log_out(request: Request, runtime: Running) -> Response:
    token = request.cookies.get(cookie_name(runtime.settings))
    if token:
        await runtime.database.write(lambda session: accounts.log_out(session, token))
    response = RedirectResponse("/login?notice=out", HTTPStatus.SEE_OTHER)
    clear_session_cookie(response, runtime.settings)
    return response


@router.get("/register")
async def register_form(request: Request, person: Person) -> Response:
    if person is not None:
        return RedirectResponse("/" if person.is_active else "/waiting", HTTPStatus.SEE_OTHER)
    return render(request, "register.html", RegisterView("", "", "", (), MIN_CHARACTERS))


@router.post("/register")
async def register(
    request: Request,
    runtime: Running,
    *,
    username: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """The answer is the same whether the names were free: it must not tell strangers who has an account."""
    form = Registration(username, email, password, reason)
    problems = _problems(form)
    if problems:
        view = RegisterView(username, email, reason, problems, MIN_CHARACTERS)
        return render(request, "register.html", view, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    hashed = await runtime.passwords.hash(password)
    now = datetime.now(UTC)
    user_id = await runtime.database.write(lambda session: accounts.register(session, form, hashed, now))
    receipt = receipts.empty_receipt() if user_id is None else receipts.receipt(user_id, hashed)
    response = RedirectResponse("/waiting", HTTPStatus.SEE_OTHER)
    set_receipt_cookie(response, receipt, runtime.settings)
    return response


def _problems(form: Registration) -> tuple[Problem, ...]:
    return tuple(Problem(refusal.field, refusal.sentence) for refusal in accounts.refusals(form))


@router.get("/waiting")
async def waiting(request: Request, runtime: Running, person: Person, data: Data) -> Response:
    if person is None:
        receipt = request.cookies.get(receipt_name(runtime.settings), "")
        return render(request, "waiting.html", await _by_receipt(data, receipt))
    if person.status is UserStatus.ACTIVE:
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    view = WaitingView(person.status.word, True, person.username, person.requested_at, person.rejection_reason)
    response = render(request, "waiting.html", view)
    # A decision ends their session, and this page shall still know whose request it was.
    receipt = await data.read(lambda session: receipts.receipt_of(session, person))
    set_receipt_cookie(response, receipt, runtime.settings)
    return response


async def _by_receipt(data: RequestDatabase, receipt: str) -> WaitingView:
    """Until somebody decides, a request that was dropped reads like one that waits."""
    found = await data.read(lambda session: receipts.standing(session, receipt))
    if found is None or found.status is UserStatus.PENDING:
        return WaitingView(None, bool(receipt), None, None, None)
    return WaitingView(found.status.word, True, None, None, found.rejection_reason)


@router.get("/setup/{token}")
async def setup_form(request: Request, data: Data, token: str) -> Response:
    now = datetime.now(UTC)
    if not await data.read(lambda session: accounts.setup_link_is_valid(session, token, now)):
        raise NotFound("This setup link is no longer valid: while there is no administrator, each start prints one.")
    return render(request, "setup.html", SetupView("", "", (), MIN_CHARACTERS))


@router.post("/setup/{token}")
async def set_up(
    request: Request,
    runtime: Running,
    token: str,
    *,
    username: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    form = Registration(username, email, password)
    problems = _problems(form)
    if problems:
        view = SetupView(username, email, problems, MIN_CHARACTERS)
        return render(request, "setup.html", view, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    hashed = await runtime.passwords.hash(password)
    now = datetime.now(UTC)
    user_id = await runtime.database.write(
        lambda session: accounts.create_first_admin(session, token, form, hashed, now)
    )
    return await _enter(request, runtime, user_id, "/")

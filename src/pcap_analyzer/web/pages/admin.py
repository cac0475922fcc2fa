"""Administrators decide who may come in."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from pcap_analyzer.services import accounts
from pcap_analyzer.web.deps import Data, User
from pcap_analyzer.web.presenting import pending_view, user_rows, user_view
from pcap_analyzer.web.templating import render
from pcap_analyzer.web.views import AdminRejectView, AdminSuspendView, AdminUsersView

router = APIRouter(prefix="/admin/users")
NOTICES = {
    "approved": "The account is approved: they can log in now.",
    "rejected": "The request is declined: they are told so, with your reason if you gave one.",
    "suspended": "The account is suspended: they are logged out, and what they uploaded is kept.",
    "restored": "The account is active again: they can log in now.",
}


@router.get("")
async def listing(request: Request, data: Data, notice: str = "") -> Response:
    people = await data.read(accounts.people)
    view = AdminUsersView(
        pending=tuple(pending_view(user) for user in people.pending),
        users=user_rows(people),
        notice=NOTICES.get(notice),
    )
    return render(request, "admin_users.html", view)


@router.post("/{user_id}/approve")
async def approve(data: Data, admin: User, user_id: str) -> Response:
    now = datetime.now(UTC)
    await data.write(lambda session: accounts.approve_user(session, admin, user_id, now))
    return RedirectResponse("/admin/users?notice=approved", HTTPStatus.SEE_OTHER)


@router.get("/{user_id}/reject")
async def reject_form(request: Request, data: Data, user_id: str) -> Response:
    person = await data.read(lambda session: accounts.pending_person(session, user_id))
    return render(request, "admin_reject.html", AdminRejectView(pending_view(person)))


@router.post("/{user_id}/reject")
async def reject(data: Data, admin: User, user_id: str, reason: Annotated[str, Form()] = "") -> Response:
    now = datetime.now(UTC)
    await data.write(lambda session: accounts.reject_user(session, admin, user_id, reason, now))
    return RedirectResponse("/admin/users?notice=rejected", HTTPStatus.SEE_OTHER)


@router.get("/{user_id}/suspend")
async def suspend_form(request: Request, data: Data, user_id: str) -> Response:
    person = await data.read(lambda session: accounts.profile(session, user_id))
    return render(request, "admin_suspend.html", AdminSuspendView(user_view(person)))


@router.post("/{user_id}/suspend")
async def suspend(data: Data, admin: User, user_id: str) -> Response:
    now = datetime.now(UTC)
    await data.write(lambda session: accounts.suspend_user(session, admin, user_id, now))
    return RedirectResponse("/admin/users?notice=suspended", HTTPStatus.SEE_OTHER)


@router.post("/{user_id}/restore")
async def restore(data: Data, admin: User, user_id: str) -> Response:
    now = datetime.now(UTC)
    await data.write(lambda session: accounts.restore_user(session, admin, user_id, now))
    return RedirectResponse("/admin/users?notice=restored", HTTPStatus.SEE_OTHER)

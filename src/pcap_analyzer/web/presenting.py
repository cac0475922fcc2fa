"""Turns what services return into what templates and the API are given."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pcap_analyzer.services.accounts import Identity, People
from pcap_analyzer.services.old_reports import is_of_an_earlier_release
from pcap_analyzer.services.tasks import Seen, T, progress_of
from pcap_analyzer.store import users
from pcap_analyzer.store.listing import ListedTask, Owner
from pcap_analyzer.store.models import User
from pcap_analyzer.store.users import Usage
from pcap_analyzer.web.views import PendingUserView, TaskView, UserRowView, UserView


def initials(username: str) -> str:
    """Up to two letters: of the first two words, or the first two of the only one."""
    words = [word for word in re.split(r"[\s._-]+", username) if word]
    letters = "".join(word[0] for word in words[:2]) if len(words) > 1 else username[:2]
    return letters.upper()


def identity_view(identity: Identity) -> UserView:
    return UserView(
        identity.user_id, identity.username, identity.email, identity.role.value, initials(identity.username)
    )


def user_view(user: User | Owner) -> UserView:
    return UserView(user.id, user.username, user.email, user.role.value, initials(user.username))


def pending_view(user: User) -> PendingUserView:
    return PendingUserView(
        id=user.id,
        username=user.username,
        email=user.email,
        initials=initials(user.username),
        reason=user.registration_reason,
        requested_at=user.created_at,
    )


def user_rows(people: People) -> tuple[UserRowView, ...]:
    nothing = Usage(0, 0)
    return tuple(_user_row(user, people.usage.get(user.id, nothing), people.deciders) for user in people.decided)


def _user_row(user: User, usage: Usage, names: Mapping[str, str]) -> UserRowView:
    return UserRowView(
        id=user.id,
        username=user.username,
        email=user.email,
        initials=initials(user.username),
        role=user.role.value,
        status=users.status_of(user).word,
        decided_by=names.get(user.approved_by or user.rejected_by or ""),
        decided_at=user.approved_at or user.rejected_at,
        last_login=user.last_login,
        task_count=usage.task_count,
        bytes=usage.bytes,
    )


def task_view(seen: Seen[T], viewer_id: str) -> TaskView:
    task, progress = seen.task, progress_of(seen)
    return TaskView(
        id=task.task_id,
        filename=task.filename,
        status=task.status.value,
        stage=progress.stage,
        percent=progress.percent,
        frames=progress.frames,
        bytes_done=progress.bytes_done,
        size_bytes=task.file_size_bytes,
        owner=None if task.owner is None else user_view(task.owner),
        mine=task.owner_id == viewer_id,
        uploaded_at=task.uploaded_at,
        analyzed_at=task.analyzed_at,
        packets=task.total_packets,
        duration_s=task.capture_duration_s,
        verdict_cause=task.verdict_cause,
        verdict_headline=task.verdict_headline,
        verdict_sentence=task.verdict_sentence,
        verdict_severity=task.verdict_severity,
        shares=tuple((str(category), float(share)) for category, share in task.waiting_shares or ()),
        health_score=task.health_score,
        by_earlier_release=is_of_an_earlier_release(task),
        error_message=task.error_message,
        queue_position=seen.queue_position,
        attempt=task.attempt,
    )


def finished_view(task: ListedTask, viewer_id: str) -> TaskView:
    """A task that neither runs nor waits."""
    return task_view(Seen(task, None, None), viewer_id)

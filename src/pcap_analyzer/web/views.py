"""What the templates get: plain frozen values, ready to be shown, nothing to compute or to query.

Every template is rendered with two names, `site` (SiteView, the same on each page) and `view`:

| template                | route                                        | view              |
|-------------------------|----------------------------------------------|-------------------|
| login.html              | GET, POST /login                             | LoginView         |
| register.html           | GET, POST /register                          | RegisterView      |
| waiting.html            | GET /waiting (public; also after /register)  | WaitingView       |
| setup.html              | GET, POST /setup/{token}                     | SetupView         |
| home.html               | GET /?q=&owner=&page=                        | HomeView          |
| task.html               | GET /tasks/{id}                              | TaskPageView      |
| task_delete.html        | GET /tasks/{id}/delete (confirm, no script)  | TaskDeleteView    |
| admin_users.html        | GET /admin/users                             | AdminUsersView    |
| admin_reject.html       | GET /admin/users/{id}/reject (reason)        | AdminRejectView   |
| admin_suspend.html      | GET /admin/users/{id}/suspend (confirm)      | AdminSuspendView  |
| error.html              | any, whatever failed                         | ErrorView         |

Forms are ordinary POSTs with `application/x-www-form-urlencoded` fields and need no hidden token (the browser's
`Sec-Fetch-Site` or `Origin` header is checked): /login (login, password, next) · /register (username, email, password,
reason) · /setup/{token} (username, email, password) · /logout () · /tasks/{id}/delete () · /tasks/{id}/retry () ·
/admin/users/{id}/approve () · /admin/users/{id}/reject (reason) · /admin/users/{id}/suspend () ·
/admin/users/{id}/restore () · /samples/slow-checkout ().
A form that was refused is shown again with status 422 and `problems`; success answers 303.

Script talks to: POST /api/v1/tasks?filename=NAME with the raw bytes as body (201 {"id", "url"}; errors are
application/problem+json with title, detail, status, error_id) · GET /api/v1/tasks/{id} (TaskJson of web/api/tasks.py) ·
GET /api/v1/tasks/{id}/events (SSE: `progress` {"stage", "percent", "frames", "bytes_done", "bytes_total",
"bytes_per_s", "queue_position"}, at the end `done` {"status"}).

Times are aware datetimes in UTC; sizes are bytes; `None` is "not known", never zero.
"""

from dataclasses import dataclass
from datetime import datetime

from pcap_analyzer.analysis.model import Report

STAGES = ("queued", "unpack", "read", "measure", "diagnose", "done")


@dataclass(frozen=True)
class UserView:
    """Who is logged in, or whom a row is about."""

    id: str
    username: str
    email: str
    role: str  # "admin", "user"
    initials: str  # at most two letters, upper case

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


@dataclass(frozen=True)
class SiteView:
    """What the frame of every page shows."""

    user: UserView | None  # None: nobody who was let in; the page has no navigation then
    pending_count: int  # accounts that wait for approval; 0 for everyone who is no admin
    path: str  # of this request, to mark the current entry of the navigation
    version: str


@dataclass(frozen=True)
class Problem:
    """Why a field of a form was refused."""

    field: str | None  # the field's name; None: the form as a whole
    sentence: str


@dataclass(frozen=True)
class LoginView:
    login: str  # as typed: user name or e-mail address
    next: str  # a path of this site, "/" by default
    problems: tuple[Problem, ...]
    notice: str | None  # "You are logged out."
    nobody_yet: bool  # the first administrator is still to be made, with the setup link


@dataclass(frozen=True)
class RegisterView:
    username: str
    email: str
    reason: str
    problems: tuple[Problem, ...]
    password_min_length: int


@dataclass(frozen=True)
class WaitingView:
    """Where somebody who asked for access stands."""

    status: str | None  # "pending", "active", "declined", "suspended"; None: say it in general
    sent: bool  # this browser sent a request, which may have been dropped
    username: str | None  # None: not logged in
    requested_at: datetime | None
    decision_reason: str | None  # what the admin wrote when declining


@dataclass(frozen=True)
class SetupView:
    """The one-time link that makes the first administrator; the form posts to the page's own path."""

    username: str
    email: str
    problems: tuple[Problem, ...]
    password_min_length: int


@dataclass(frozen=True)
class TaskView:
    """One analysis of one capture."""

    id: str
    filename: str  # as its owner named it: data, to be escaped and isolated
    status: str  # pending, processing, completed, failed, cancelled, expired
    stage: str  # one of STAGES
    percent: float | None  # 0 to 100, bytes read of bytes in all; None: not started, or the size is not known
    frames: int | None
    bytes_done: int | None
    size_bytes: int | None  # None: an older release did not record it
    owner: UserView | None  # None: the account is gone
    mine: bool
    uploaded_at: datetime
    analyzed_at: datetime | None
    packets: int | None
    duration_s: float | None  # of the capture
    verdict_cause: str | None  # analysis.model.Cause
    verdict_headline: str | None  # "The server is slow"
    verdict_sentence: str | None
    verdict_severity: str | None  # analysis.model.Severity
    shares: tuple[tuple[str, float], ...]  # (analysis.model.Category, 0 to 1) of all waiting, largest first
    health_score: float | None  # 0 to 100, of an earlier release
    by_earlier_release: bool  # it has numbers, and neither verdict nor a report of this release
    error_message: str | None  # a sentence, when the status is failed or expired
    queue_position: int | None  # 1: next; None: not waiting
    attempt: int

    @property
    def active(self) -> bool:
        return self.status in ("pending", "processing")


@dataclass(frozen=True)
class HomeView:
    active: tuple[TaskView, ...]  # pending and processing, in the order in which they run
    tasks: tuple[TaskView, ...]  # everything else, newest first, one page
    query: str
    owner: str  # "mine", "all"; only admins may see "all" and get the switch
    page: int  # from 1
    pages: int  # at least 1
    total: int  # that match, over all pages
    total_is_exact: bool  # otherwise there are at least so many
    first: int  # number of the first row shown, from 1; 0: none
    last: int
    max_upload_bytes: int
    sample_available: bool
    notice: str | None  # "The analysis was deleted."

    @property
    def empty(self) -> bool:
        """Nothing at all yet, as opposed to nothing that matches."""
        return not self.tasks and not self.active and not self.query


@dataclass(frozen=True)
class TaskPageView:
    """Progress, failure or the report: look at `task.status`."""

    task: TaskView
    report: Report | None  # when completed
    capture_available: bool  # the capture is kept: download and "try again" work
    old_reports: tuple[str, ...]  # "html", "json": what an earlier release made and can be downloaded


@dataclass(frozen=True)
class TaskDeleteView:
    task: TaskView


@dataclass(frozen=True)
class PendingUserView:
    id: str
    username: str
    email: str
    initials: str
    reason: str | None  # what they wrote when they asked
    requested_at: datetime


@dataclass(frozen=True)
class UserRowView:
    id: str
    username: str
    email: str
    initials: str
    role: str
    status: str  # active, suspended, declined
    decided_by: str | None  # user name; None: the command line, an older release, or somebody who is gone
    decided_at: datetime | None
    last_login: datetime | None
    task_count: int
    bytes: int


@dataclass(frozen=True)
class AdminUsersView:
    pending: tuple[PendingUserView, ...]
    users: tuple[UserRowView, ...]
    notice: str | None  # "Priya Nair can log in now."


@dataclass(frozen=True)
class AdminRejectView:
    """Decline somebody, with a reason that they will read."""

    person: PendingUserView


@dataclass(frozen=True)
class AdminSuspendView:
    """Keep somebody out who was let in."""

    person: UserView


@dataclass(frozen=True)
class ErrorView:
    """What happened, what is kept, what to do."""

    status: int  # HTTP
    title: str
    sentence: str
    kept: str | None  # "Your capture is kept."
    what_to_do: str | None
    error_id: str  # also in the log

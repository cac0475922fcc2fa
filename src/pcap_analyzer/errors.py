"""The whole exception tree; each class knows its sentence, exit code and HTTP status.

AppError               70 · 500   the program cannot go on
├── UsageError            2 · 422   what was asked for makes no sense
├── CaptureError          3 · 422   the capture cannot be read
│   ├── NotACapture       3 · 415   first bytes are something else, named where they are known
│   ├── UnreadableCapture 3 · 422   the file cannot be opened or vanished
│   └── LimitExceeded     3 · 413   a stated limit of size, ratio or time was reached
├── Cancelled           130 · 409   the caller asked to stop
├── NotFound              2 · 404   no such thing, or it is another user's
├── Forbidden             2 · 403   the caller may not do this
├── NotAuthenticated      2 · 401   no valid session
├── Conflict              2 · 409   the state has moved on in the meantime
├── ResultUnreadable      5 · 410   a stored report is missing or was changed
├── StorageFull           5 · 507   disk or quota has no room
├── StorageUnavailable    5 · 503   the data folder cannot be written
├── KeyUnusable           5 · 503   the key of stored secrets is missing, open to others, or another one
├── UnknownSchema         3 · 503   the database is of no kind that this program knows; it was not touched
└── DatabaseUnavailable   5 · 503   the database cannot be reached or is not at the expected revision
    ├── DatabaseUnreachable 5 · 503 nobody answers, or the server starts or stops: trying again helps
    └── CommitUnknown     5 · 503   the answer to a commit was lost: it may have been made
"""


class AppError(Exception):
    """A failure that people are told about in one sentence: `str(error)`."""

    exit_code = 70
    http_status = 500
    title = "Something went wrong"


class UsageError(AppError):
    exit_code = 2
    http_status = 422
    title = "This request is not valid"


class CaptureError(AppError):
    exit_code = 3
    http_status = 422
    title = "This capture cannot be read"


class NotACapture(CaptureError):
    http_status = 415
    title = "This is not a capture"


class UnreadableCapture(CaptureError):
    title = "This file cannot be opened"


class LimitExceeded(CaptureError):
    http_status = 413
    title = "A limit was reached"


class Cancelled(AppError):
    exit_code = 130
    http_status = 409
    title = "Cancelled"


class NotFound(AppError):
    exit_code = 2
    http_status = 404
    title = "Not found"


class Forbidden(AppError):
    exit_code = 2
    http_status = 403
    title = "Not allowed"


class NotAuthenticated(AppError):
    exit_code = 2
    http_status = 401
    title = "Please log in"


class Conflict(AppError):
    exit_code = 2
    http_status = 409
    title = "This has changed in the meantime"


class ResultUnreadable(AppError):
    exit_code = 5
    http_status = 410
    title = "This report cannot be read"


class StorageFull(AppError):
    exit_code = 5
    http_status = 507
    title = "No room left"


class StorageUnavailable(AppError):
    exit_code = 5
    http_status = 503
    title = "The data folder cannot be written"


class KeyUnusable(AppError):
    exit_code = 5
    http_status = 503
    title = "The key of stored secrets cannot be used"


class DatabaseUnavailable(AppError):
    exit_code = 5
    http_status = 503
    title = "The database is not ready"


class DatabaseUnreachable(DatabaseUnavailable):
    pass


class CommitUnknown(DatabaseUnavailable):
    def __init__(self) -> None:
        super().__init__("The database went away while this was saved: look whether it was before you try again.")


class UnknownSchema(AppError):
    exit_code = 3
    http_status = 503
    title = "The database is not of this program"

"""What people of older deployments are used to goes on working: settings, passwords, reports."""

from __future__ import annotations

from tests.acceptance.claim import Claim, tests_in

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "A start with DATA_DIR, SECRET_KEY and REPORT_TTL_HOURS alone finds the old file, lets its users in, seals "
        "their second factors, and lets expire what is too old",
        "`python -m pytest tests/web/test_old_environment.py tests/jobs/test_sweeper.py tests/store/test_sealing.py`",
        tests_in("tests/web/test_old_environment.py", "tests/jobs/test_sweeper.py", "tests/store/test_sealing.py"),
    ),
    Claim(
        "Old bcrypt hashes log in, of 80-byte passwords too, and are argon2id's afterwards",
        "`python -m pytest tests/services/test_passwords.py tests/web/pages/test_accounts.py`",
        tests_in("tests/services/test_passwords.py", "tests/web/pages/test_accounts.py"),
    ),
    Claim(
        "Analyses of an earlier release show their numbers and offer their report, from the data folder alone",
        "`python -m pytest tests/services/test_old_reports.py tests/web/pages/test_old_tasks.py`",
        tests_in("tests/services/test_old_reports.py", "tests/web/pages/test_old_tasks.py"),
    ),
    Claim(
        "DATABASE_URL in `.env` holds for `serve`, `db info` and Alembic typed by hand, on both databases",
        "`python -m pytest tests/cli/test_env_file.py tests/test_settings.py`",
        tests_in("tests/cli/test_env_file.py", "tests/test_settings.py"),
    ),
)

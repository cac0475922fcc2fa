"""`make lint` proves the layering: a forbidden import in a scratch file makes it fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "src" / "pcap_analyzer",
        tmp_path / "src" / "pcap_analyzer",
        ignore=shutil.ignore_patterns("static", "__pycache__", "*.c", "*.so"),
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        check=False,
        cwd=tree,
        env={"PYTHONPATH": str(tree / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


def test_the_tree_keeps_its_layers(tree: Path) -> None:
    result = lint_imports(tree)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("capture/scratch.py", "import pcap_analyzer.analysis.model"),
        ("capture/scratch.py", "import sqlalchemy"),
        ("analysis/detectors/scratch.py", "import pcap_analyzer.capture.reader"),
        ("analysis/detectors/scratch.py", "import pcap_analyzer.analysis.detectors.resets"),
        ("analysis/scratch.py", "import pydantic"),
        ("report/scratch.py", "import pcap_analyzer.store.models"),
        ("store/scratch.py", "import pcap_analyzer.services"),
        ("services/scratch.py", "import pcap_analyzer.jobs"),
        ("services/scratch.py", "import sqlalchemy"),
        ("services/scratch.py", "import pcap_analyzer.settings"),
        ("jobs/scratch.py", "import fastapi"),
        ("web/scratch.py", "import pcap_analyzer.cli.main"),
        ("services/scratch.py", "import pcap_analyzer.analysis.engine"),
        ("services/scratch.py", "import pcap_analyzer.capture.reader"),
        ("report/scratch.py", "import pcap_analyzer.analysis.verdict"),
        ("analysis/scratch.py", "import pcap_analyzer.capture.reader"),
        ("analysis/scratch.py", "import pcap_analyzer.capture.kernel"),
        ("jobs/scratch.py", "import pcap_analyzer.settings"),
    ],
)
def test_a_forbidden_import_fails(tree: Path, module: str, line: str) -> None:
    (tree / "src" / "pcap_analyzer" / module).write_text(f'"""Scratch."""\n\n{line}\n')
    result = lint_imports(tree)
    assert result.returncode != 0, result.stdout

"""The rules of the tree that no linter checks: sizes, names, what may be committed, where things live."""

import ast
import itertools
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pcap_analyzer"
FORBIDDEN_NAMES = {"utils", "helpers", "manager", "common"}
#: Command line, worker loop, the watch of a replica, which must not end unseen, and the run of one detector, whose
#: fault must not take the others' findings along.
BROAD_EXCEPT = {"cli/failures.py", "jobs/embedded.py", "store/replica.py", "analysis/engine.py"}
MARKUP = re.compile(r"<(div|span|p|a|td|tr|table|script|style|svg|li|ul)[ >]")


def committed(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_no_source_file_holds_a_second_idea() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in committed("src/**/*.py", "src/**/*.pyx", "src/**/*.pxd", "frontend/src/**/*.ts")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}


def test_no_function_passes_sixty_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in committed("src/**/*.py")
        for node in functions(path)
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > 60
    ]
    assert long == []


def test_no_function_of_the_kernel_passes_sixty_lines() -> None:
    begins = re.compile(r"^ *(?:cdef|cpdef|def) .*\(")
    long = []
    for path in committed("src/**/*.pyx", "src/**/*.pxd"):
        lines = path.read_text().splitlines()
        starts = [number for number, line in enumerate(lines) if begins.match(line)] + [len(lines)]
        long += [
            f"{path.relative_to(ROOT)}:{start + 1}"
            for start, end in itertools.pairwise(starts)
            if len("\n".join(lines[start:end]).strip().splitlines()) > 60
        ]
    assert long == []


def test_no_module_is_named_after_nothing() -> None:
    assert [path for path in committed("src/**/*.py") if path.stem in FORBIDDEN_NAMES] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in committed("src/**/*.py")
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def test_broad_excepts_stand_where_they_may() -> None:
    found = {
        str(path.relative_to(SOURCE))
        for path in committed("src/**/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    }
    assert found <= BROAD_EXCEPT


def test_no_markup_in_python_strings() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in committed("src/**/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and MARKUP.search(node.value)
    ]
    assert found == []


def test_templates_carry_no_inline_script_or_style() -> None:
    inline = re.compile(r"\sstyle=|\son[a-z]+=\"|<script>|<style>|javascript:")
    found = [
        f"{path.relative_to(ROOT)}: {match.group().strip()}"
        for path in committed("src/**/templates/**/*.html")
        if path.name != "standalone.html"  # its one script and style are inlined and hashed by report/html.py
        for match in inline.finditer(path.read_text())
    ]
    assert found == []


def test_nothing_committed_names_a_machine_or_a_registry() -> None:
    registries = ("pypi" + ".org", "npmjs" + ".org", "pythonhosted" + ".org", "deb.debian" + ".org")
    home = re.compile(r"(?<![\w.])/(root|work|home/\w+)/")
    found = []
    for path in committed():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if path == Path(__file__):
            continue
        found += [f"{path.relative_to(ROOT)}: {name}" for name in registries if name in text]
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in home.finditer(text)]
    assert found == []


def test_locks_are_hashed() -> None:
    for lock in committed("requirements/*.txt"):
        pinned = [line for line in lock.read_text().splitlines() if re.match(r"[a-z0-9]", line)]
        assert pinned
        assert all("==" in line and line.endswith("\\") for line in pinned), lock.name


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "LICENSE", "docs/architecture.md"])
def test_a_newcomer_finds(name: str) -> None:
    assert (ROOT / name).stat().st_size > 200

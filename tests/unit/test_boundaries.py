"""The two import rules of docs/design.md, and no path of somebody's machine in the project."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED_BELOW = {  # imports point one way: what each package of core may use
    "model": {"data", "model", "errors"},
    "data": {"data", "config", "errors", "files", "progress"},
    "runs": {"runs", "model", "config", "errors", "files"},
    "diagnosis": {"diagnosis", "runs", "config", "errors", "evaluation"},
    "inspection": {"inspection", "model", "data", "prediction", "errors", "files", "progress"},
    "export": {  # all but training and bench
        "export", "arguments", "config", "data", "diagnosis", "errors", "evaluation", "files", "follow", "history",
        "inspection", "model", "outcomes", "paths", "prediction", "progress", "runs", "wording",
    },
}  # fmt: skip


def python_files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at any depth of its code, dotted."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            names.add(ast.literal_eval(node.args[0]))
    return names


def packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", python_files("core"), ids=lambda path: str(path.relative_to(ROOT)))
def test_core_imports_neither_streamlit_nor_dashboard(path: Path) -> None:
    assert not packages(path) & {"streamlit", "dashboard"}


@pytest.mark.parametrize("path", python_files("dashboard"), ids=lambda path: str(path.relative_to(ROOT)))
def test_dashboard_imports_no_torch(path: Path) -> None:
    assert not packages(path) & {"torch", "torchvision", "safetensors"}


def test_what_says_that_it_needs_no_streamlit_loads_none() -> None:
    pure = [path for path in python_files("dashboard") if "No Streamlit here" in path.read_text(encoding="utf-8")]
    assert ROOT / "dashboard" / "panels.py" in pure
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in pure]
    code = f"import sys, {', '.join(names)}; print('streamlit' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.stderr) == ("False", "")


@pytest.mark.parametrize("package", ALLOWED_BELOW)
def test_imports_in_core_point_one_way(package: str) -> None:
    for path in python_files(f"core/{package}"):
        used = {name.split(".")[1] for name in imported(path) if name.startswith("core.")}
        assert used <= ALLOWED_BELOW[package], path


def test_only_jobs_starts_a_thread_that_trains_and_few_files_start_any() -> None:
    threads = re.compile(r"\b(threading\.Thread|ThreadPoolExecutor)\(")
    found = {
        path.name: set(threads.findall(path.read_text(encoding="utf-8")))
        for path in python_files("core")
        if threads.search(path.read_text(encoding="utf-8"))
    }
    pool = {"ThreadPoolExecutor"}
    assert found == {"jobs.py": {"threading.Thread"}, "cpu_kernels.py": pool, "folder.py": pool, "loops.py": pool}


@pytest.mark.parametrize(
    "path", python_files("core") + python_files("dashboard"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_files_functions_and_pages_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= (110 if path.parent.name == "app_pages" else 250)
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert not [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= 40]


def test_importing_core_loads_no_streamlit_and_nothing_that_only_an_export_needs() -> None:
    code = (
        "import pkgutil, importlib, sys, core\n"
        "for module in pkgutil.walk_packages(core.__path__, 'core.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'streamlit', 'dashboard', 'plotly', 'onnx', 'onnxruntime', 'tensorboard', 'core'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, env={**os.environ}
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "['core']"


def test_nothing_unpickles_or_loads_by_pickle() -> None:
    for path in python_files("core"):
        calls = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
        }
        assert not calls & {"torch.load", "pickle.load", "pickle.loads", "eval", "exec"}, path
        assert "allow_pickle=True" not in path.read_text(encoding="utf-8"), path


def test_every_picture_of_a_page_is_its_own_address() -> None:
    """A file that the server keeps for a picture may be gone, by the next run of the script, when a browser asks."""
    shown = [
        (path, node.args[0])
        for path in python_files("dashboard")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "image"
        and any(keyword.arg == "alt" for keyword in node.keywords)
    ]  # fmt: skip
    assert len(shown) > 10
    made_here = {"sheet"}  # in atlas_entry.py: made and kept as an address
    for path, picture in shown:
        assert (
            ast.unparse(picture).startswith(("png_url(", "jpeg_url(", "data_url(")) or ast.unparse(picture) in made_here
        ), path


def test_no_file_names_a_path_of_one_machine() -> None:
    absolute = re.compile(r"""["'\s=(](/(?:tmp|home|root|work|Users|mnt|opt)/[\w.-]+)""")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    suffixes = {".py", ".toml", ".md", ".txt", ".yml", ".yaml", ".css", ".json", ".sh", ""}
    files = [ROOT / name for name in listed.stdout.split() if Path(name).suffix in suffixes]
    assert ROOT / "core" / "config.py" in files
    for path in (path for path in files if path.is_file() and path != Path(__file__).resolve()):
        assert not absolute.findall(path.read_text(encoding="utf-8")), path

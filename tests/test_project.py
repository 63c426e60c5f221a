"""The project's own promises: set-up, pinned versions, import contracts, lazy imports, no trace of one machine."""

from __future__ import annotations

import ast
import json
import platform
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
SERVERS = ("fiscus.workflow", "fiscus.bootstrap", "fiscus.web")
NEVER_IN_A_SERVER = ("fiscus.optimise", "fiscus.env", "fiscus.learn")
HEAVY = {"pandas", "matplotlib", "pyomo", "highspy", "gymnasium", "torch", "mlflow", "scipy", "pyarrow"}

# --- run -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run() -> ModuleType:
    loader = SourceFileLoader("fiscus_run", str(ROOT / "run"))
    loader.path = str(ROOT / "run")
    spec = spec_from_loader("fiscus_run", loader)
    assert spec is not None
    module = module_from_spec(spec)
    keep, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = keep
    return module


def test_run_is_one_short_standard_library_file_that_older_pythons_can_read() -> None:
    text = (ROOT / "run").read_text()
    tree = ast.parse(text, feature_version=(3, 7))
    assert text.startswith("#!/usr/bin/env python3\n")
    assert len(text.splitlines()) < 120
    assert {name for name, _ in imports(tree)} <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("arguments", [[], ["foo"], ["--help"]])
def test_run_answers_an_unknown_command_with_the_list_of_commands(run: ModuleType, arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, ROOT / "run", *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert all(name in done.stderr for name in run.COMMANDS)


def test_an_old_python_is_told_in_a_sentence(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.sys, "version_info", (3, 8, 18))
    monkeypatch.setattr(run.shutil, "which", lambda *_, **__: None)
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer"):
        run.main(["demo"])


def test_the_stamp_follows_each_input(run: ModuleType, tmp_path: Path) -> None:
    inputs = ["pyproject.toml", "constraints.txt", "run"]
    for name in inputs:
        (tmp_path / name).write_text(name)
    stamps = {run.stamp(tmp_path)}
    assert run.stamp(tmp_path) in stamps
    for name in inputs:
        (tmp_path / name).write_text("changed")
        stamps.add(run.stamp(tmp_path))
    assert len(stamps) == 1 + len(inputs)


def test_find_links_come_from_every_level_of_pips_settings(run: ModuleType, tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for folder in (first, second, third):
        folder.mkdir()
    listed = [
        ":env:.disable-pip-version-check='1'",
        f":env:.find-links={str(first)!r}",
        f"global.find-links={f'{chr(10)}{second}{chr(10)}https://wheels.example/page.html'!r}",
        f"install.find-links={f'{third} {first}'!r}",
        f"download.find-links={str(tmp_path)!r}",
        f"global.extra-index-url={str(tmp_path)!r}",
        f"global.no-find-links={str(tmp_path)!r}",
    ]
    expected = [str(first), str(second), "https://wheels.example/page.html", str(third)]
    assert run.find_links("\n".join(listed)) == expected
    assert run.find_links("\r\n".join(listed)) == expected


@pytest.mark.parametrize("listed", ["", "global.timeout='60'", "global.find-links='no-such-folder'"])
def test_no_find_links_where_pip_has_none(run: ModuleType, listed: str) -> None:
    assert run.find_links(listed) == []


def test_a_torch_wheel_counts_for_this_version_python_and_machine_only(run: ModuleType, tmp_path: Path) -> None:
    def holds(*names: str) -> bool:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name in names:
            (folder / name).touch()
        plain, url = (
            run.holds_torch([str(folder)], "2.13.0", "cp311"),
            run.holds_torch([folder.as_uri()], "2.13.0", "cp311"),
        )
        assert plain == url
        return bool(plain)

    machine = platform.machine()
    assert holds(f"torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_{machine}.whl")
    assert holds("numpy.whl", f"torch-2.13.0-cp311-cp311-linux_{machine}.whl")
    assert not holds()
    assert not holds(f"torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_{machine}.whl")
    assert not holds(f"torch-2.9.0+cpu-cp311-cp311-manylinux_2_28_{machine}.whl")
    assert not holds("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_other.whl")
    assert not holds(f"torchvision-2.13.0-cp311-cp311-linux_{machine}.whl")
    assert not run.holds_torch(["https://wheels.example/page.html"], "2.13.0", "cp311")


@pytest.mark.parametrize("torch", ["", "cuda"])
@pytest.mark.parametrize("wheel", [True, False])
def test_uv_gets_pips_find_links_and_the_cpu_build_where_no_wheel_is_at_hand(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, torch: str, wheel: bool
) -> None:
    commands: list[list[str]] = []

    def answer(*command: str) -> str:
        return f"global.find-links={str(tmp_path)!r}" if command[-2:] == ("config", "list") else ""

    def start(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, returncode=1)

    if wheel:
        (tmp_path / f"torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_{platform.machine()}.whl").touch()
    monkeypatch.setattr(run, "output", answer)
    monkeypatch.setattr(run.subprocess, "run", start)
    monkeypatch.setattr(run.shutil, "which", lambda *_, **__: "uv")
    monkeypatch.setattr(run.sys, "platform", "linux")
    monkeypatch.setenv("TORCH", torch)
    monkeypatch.delenv("FISCUS_INSTALLER", raising=False)
    with pytest.raises(SystemExit, match="installation failed"):
        run.install("cp311")
    with_uv, with_pip = (" ".join(command) for command in commands)
    cpu = not wheel and torch != "cuda"
    assert f"--find-links {tmp_path} " in with_uv
    assert (
        ("--torch-backend cpu" in with_uv)
        is ("--extra-index-url" in with_pip)
        is ("torch==2.13.0+cpu" in with_pip)
        is cpu
    )
    assert all(command.endswith(f"-c constraints.txt -e .[{run.EXTRAS}]") for command in (with_uv, with_pip))


# --- files -----------------------------------------------------------------------------------------------------------


def test_constraints_pin_every_package_and_name_no_place() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert "torch==2.13.0" in lines
    assert all(re.fullmatch(r"[a-z0-9.-]+==[a-z0-9.]+( ; .+)?", line) for line in lines)
    assert not [line for line in lines if re.match(r"nvidia|cuda|triton", line) or "://" in line]


def test_constraints_pin_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(item for extra in project["optional-dependencies"].values() for item in extra)]
    names = {re.split(r"[^\w.-]", item)[0].lower() for item in asked} - {"fiscus"}
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert names <= pinned
    assert "highspy>=1.13.1,!=1.14.*" in asked


def test_the_set_up_installs_extras_that_exist(run: ModuleType) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(run.EXTRAS.split(",")) <= set(project["optional-dependencies"])


def test_ci_calls_the_test_command_and_nothing_else() -> None:
    assert (ROOT / ".ci" / "run").read_text().splitlines()[1:] == ['cd "$(dirname "$0")/.." && exec ./run test']


def test_no_file_names_a_place_on_one_machine_or_a_registry() -> None:
    machine = re.compile(
        rb"(?<![\w.~$}/-])/(?:"
        + b"|".join([b"work/main", b"work/shared", b"opt/wheels", b"opt/pypi", b"root"])
        + rb")\b"
    )
    registry = re.compile(b"|".join([rb"\bpypi\.o" + b"rg", b"pythonhosted" + rb"\.org", b"registry\\.np" + b"mjs"]))
    found = []
    for path in tracked_files():
        data = path.read_bytes()
        if path != Path(__file__).resolve() and (machine.search(data) or registry.search(data)):
            found.append(str(path.relative_to(ROOT)))
    assert found == []


def test_one_file_names_pytorchs_page() -> None:
    page = b"download.pytor" + b"ch.org"
    assert [path.name for path in tracked_files() if page in path.read_bytes()] == ["run"]


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


# --- imports ---------------------------------------------------------------------------------------------------------


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(top-level package, module) of every import that can happen at run time, dynamic ones by a literal name too."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                for branch in node.orelse:
                    yield from imports(ast.Module([branch], []))
                continue
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(module), level=0):
                names = [module]
            case ast.Call(func=ast.Name(id) | ast.Attribute(attr=id), args=[ast.Constant(value=str(module)), *_]):
                names = [module] if id in {"import_module", "__import__"} else []
            case _:
                names = []
        yield from ((name.split(".")[0], name) for name in names)
        yield from imports(node)


@cache
def importers() -> dict[str, set[str]]:
    """Modules of Fiscus by the package that they import."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in SOURCE.rglob("*.py"):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for package, _ in imports(ast.parse(path.read_text(encoding="utf-8"))):
            found[package].add(module)
    return found


@pytest.mark.parametrize(
    ("packages", "home"),
    [
        (["pyomo"], "fiscus.optimise.pyomo_model"),
        (["highspy"], "fiscus.optimise.highs"),
        (["torch", "sb3_contrib"], "fiscus.learn."),
        (["optuna"], "fiscus.integrate."),
        (["mlflow"], "fiscus.integrate."),
        (["dask", "distributed"], "fiscus.batch."),
        (["ray"], "fiscus.batch."),
        (["authlib", "joserfc"], "fiscus.integrate.openid."),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_one_module_imports_it(packages: list[str], home: str) -> None:
    found = importers()
    modules = set().union(*(found[package] for package in packages))
    assert len(modules) <= 1
    assert all(f"{module}.".startswith(home) for module in modules)


def test_stable_baselines3_is_adapted_in_one_module_and_trained_with_in_another() -> None:
    assert importers()["stable_baselines3"] == {"fiscus.env.sb3", "fiscus.learn.sb3"}


def test_the_import_reader_sees_through_functions_and_type_checking() -> None:
    text = """
if TYPE_CHECKING:
    import pyomo
else:
    import a.b
def f():
    from c import d
    importlib.import_module("e.f")
from . import g
"""
    assert [name for _, name in imports(ast.parse(text))] == ["a.b", "c", "e.f"]


def test_servers_never_reach_a_solver_an_environment_or_a_learner() -> None:
    graph = grimp.build_graph("fiscus", exclude_type_checking_imports=True, cache_dir=None)
    chains = [
        chain
        for server in SERVERS
        for heavy in NEVER_IN_A_SERVER
        if {server, heavy} <= graph.modules
        for chain in graph.find_shortest_chains(importer=server, imported=heavy)
    ]
    assert chains == []


def test_files_of_tests_have_names_of_their_own() -> None:
    """Pytest takes one module a name where folders of tests are no packages."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_importing_fiscus_loads_nothing_heavy() -> None:
    code = "import fiscus, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & HEAVY


def test_loading_a_server_loads_no_solver() -> None:
    there = [name for name in SERVERS if list(SOURCE.glob(f"{name.replace('.', '/')}*"))]
    code = f"import fiscus, json, sys; [__import__(name) for name in {there}]; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"pyomo", "highspy", "gymnasium", "torch", "stable_baselines3"}

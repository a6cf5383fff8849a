"""Plugins by strangers: the example in Python, built from source and held to the contract."""

import os
import pwd
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def toolchain() -> dict[str, str]:
    """The Rust of this repository, outside of it."""
    pinned = tomllib.loads((REPOSITORY / "rust-toolchain.toml").read_text())
    home = pwd.getpwuid(os.getuid()).pw_dir
    return {"HOME": home, "RUSTUP_TOOLCHAIN": pinned["toolchain"]["channel"]}


@pytest.mark.timeout(600)
def test_the_python_example_keeps_the_contract(tmp_path):
    component = tmp_path / "python.wasm"
    build = [
        Path(sys.executable).parent / "componentize-py",
        *("-d", REPOSITORY / "wit/released/0.1.0"),
        *("-w", "pys3local:storage/plugin@0.1.0"),
        *("componentize", "app", "-o", component),
    ]
    subprocess.run(build, check=True, cwd=REPOSITORY / "plugins/examples/python")
    check = [os.environ["PYS3LOCAL_BIN"], "plugin", "check", component]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    ran = subprocess.run(check, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "FAIL" not in ran.stdout
    assert " 0 do not." in ran.stdout


@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ["python", "rust"])
def test_a_new_plugin_builds_and_keeps_the_contract(tmp_path, language):
    program = os.environ["PYS3LOCAL_BIN"]
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    new = [program, "plugin", "new", "my-store", "--lang", language]
    subprocess.run(new, check=True, cwd=tmp_path, env=home)
    plugin = tmp_path / "my-store"
    if language == "python":
        component = plugin / "my-store.wasm"
        tool = Path(sys.executable).parent / "componentize-py"
        world = ["-d", "wit", "-w", "pys3local:storage/plugin@0.1.0"]
        build = [tool, *world, "componentize", "app", "-o", component]
        settings = []
    else:
        component = plugin / "target/wasm32-wasip2/release/my_store.wasm"
        build = ["cargo", "build", "--release", "--target", "wasm32-wasip2", "--target-dir", "target"]
        settings = ["--set", "password=" + "5e" * 32]
    subprocess.run(build, check=True, cwd=plugin, env=os.environ | toolchain())
    check = [program, "plugin", "check", component, *settings]
    ran = subprocess.run(check, env=home, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    twice = subprocess.run(new, cwd=tmp_path, env=home, capture_output=True, text=True)
    assert twice.returncode == 1
    assert twice.stderr.startswith("error: cannot create my-store: ")

"""Fixtures: a gateway of its own for each test, a bucket, a tree of odd files, and clients in a clean environment.

PYS3LOCAL_BIN names the program under test. A client that is not there is a failure, never a skip.
"""

import hashlib
import os
import random
import selectors
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

ACCESS_KEY = "test"
SECRET_KEY = "test"
REGION = "us-east-1"
MIB = 1024 * 1024

START_SECONDS = 60
STOP_SECONDS = 10
COMMAND_SECONDS = 120

# `tests/run --long` asks for what takes minutes too.
collect_ignore = [] if os.environ.get("PYS3LOCAL_LONG") else ["test_long.py"]


def find_tool(name: str) -> str:
    """The client's path: beside this Python first, where `setup` installs it, then on the PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed: run tests/clients/setup")
    return found


def clean_environment(home: Path) -> dict[str, str]:
    """Nothing of the caller's but the PATH, so that no config file or key of theirs takes part."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "LC_ALL": "C.UTF-8",
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@dataclass
class Gateway:
    """A running gateway."""

    endpoint: str
    home: Path
    log: Path
    process: subprocess.Popen

    @property
    def host(self) -> str:
        """`ADDRESS:PORT`, for clients that want no scheme."""
        return self.endpoint.removeprefix("http://")


def start_gateway(directory: Path, *flags: str, backend: str = "") -> Gateway:
    """Starts the program on a free port and waits for the line that tells its address.

    `backend`: the text of a section `[cloud]` to serve instead of a directory.
    """
    binary = os.environ.get("PYS3LOCAL_BIN")
    if not binary or not os.access(binary, os.X_OK):
        pytest.fail(f"PYS3LOCAL_BIN must name the program under test, and is {binary!r}")
    home = directory / "gateway"
    environment = clean_environment(home)
    # Shared with the other tests, so that each component is compiled once.
    environment["XDG_CACHE_HOME"] = str(Path(binary).absolute().with_name("pys3local-tests-cache"))
    log = home / "log"
    place = ["--path", str(home / "objects")]
    if backend:
        config = Path(environment["XDG_CONFIG_HOME"]) / "pys3local"
        config.mkdir(parents=True, exist_ok=True)
        (config / "backends.toml").write_text(f"[cloud]\n{backend}")
        place = ["--backend-config", "cloud"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [binary, "serve", *place, "--listen", "127.0.0.1:0", "--debug", *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
        )
    address = read_address(process)
    if address is None:
        stop(process)
        pytest.fail(f"the gateway did not start:\n{log.read_text(errors='replace')}")
    return Gateway(address, home, log, process)


def read_address(process: subprocess.Popen) -> str | None:
    """The address that the program prints, or None when it ends or stays silent."""
    deadline = time.monotonic() + START_SECONDS
    printed = b""
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while ready.select(max(0.0, deadline - time.monotonic())):
            piece = os.read(process.stdout.fileno(), 4096)
            if not piece:
                return None
            printed += piece
            for line in printed.splitlines(keepends=True):
                if line.startswith(b"Address:") and line.endswith(b"\n"):
                    return line.removeprefix(b"Address:").strip().decode()
    return None


def stop(process: subprocess.Popen) -> None:
    """Ends the program, by force when it does not follow."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
    process.stdout.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the gateway's log to the report of a failed test."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Gateway) and value.log.exists():
                lines = value.log.read_text(errors="replace").splitlines()[-200:]
                report.sections.append(("Log of the gateway", "\n".join(lines)))
    return report


@pytest.fixture
def gateway(tmp_path):
    """A gateway on which clients may make buckets."""
    running = start_gateway(tmp_path, "--allow-bucket-creation")
    yield running
    stop(running.process)


@pytest.fixture
def default_gateway(tmp_path):
    """A gateway as it is without flags: the one bucket `default`."""
    running = start_gateway(tmp_path)
    yield running
    stop(running.process)


def s3_client(gateway: Gateway, **options):
    """A boto3 client that reads no config file and does not hide errors behind retries."""
    session = boto3.session.Session(
        aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION
    )
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=10,
        read_timeout=20,
        s3={"addressing_style": "path"},
        **options,
    )
    return session.client("s3", endpoint_url=gateway.endpoint, config=config)


@pytest.fixture(autouse=True)
def no_settings_of_the_caller(monkeypatch, tmp_path):
    """Clients that run inside this process see no settings of the caller either."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "RCLONE_", "RESTIC_", "MINIO_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def s3(gateway):
    """A boto3 client of the gateway."""
    return s3_client(gateway)


@pytest.fixture
def bucket(s3):
    """The name of a new, empty bucket."""
    s3.create_bucket(Bucket="bucket-of-the-test")
    return "bucket-of-the-test"


@pytest.fixture
def run(tmp_path):
    """Runs a client with a home of its own and returns what it printed; a failure of the client fails the test."""

    def run(tool: str, *arguments, environment=None, fails: bool = False, seconds: int = COMMAND_SECONDS) -> str:
        done = subprocess.run(
            [find_tool(tool), *map(str, arguments)],
            env=clean_environment(tmp_path / "home") | (environment or {}),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
        )
        output = done.stdout.decode(errors="replace")
        if (done.returncode != 0) != fails:
            errors = done.stderr.decode(errors="replace")
            pytest.fail(
                f"{tool} {' '.join(map(str, arguments))}: exit code {done.returncode}\n{output}\n{errors}"
            )
        return output

    return run


def noise(size: int, seed: int) -> bytes:
    """Bytes that do not compress and are the same in each run."""
    return random.Random(seed).randbytes(size)


# Names that S3 clients escape in different ways, and sizes on both sides of usual limits.
TREE = {
    "empty": 0,
    "one byte": 1,
    "plain.txt": 1000,
    "with spaces in it.txt": 4096,
    "sub/empty too": 0,
    "sub/deep/er/file.bin": 65537,
    "sub.d/dot.before.slash": 10,
    "umlaute äöü/straße.txt": 123,
    "日本語/ファイル.txt": 456,
    "emoji 🦀.txt": 7,
    "plus+and&amp;=%20%2F.txt": 99,
    "quote's \"double\" <tag>.xml": 33,
    "semi;colon,comma$dollar@at!(paren)[bracket]{brace}.txt": 17,
    "hash#question?.txt": 21,
    "tilde~caret^pipe|backtick`.txt": 5,
    ".hidden": 3,
    "big/twenty MiB.bin": 20 * MIB,
}


@pytest.fixture
def tree(tmp_path) -> Path:
    """A directory of files with odd names and sizes."""
    root = tmp_path / "tree"
    for seed, (name, size) in enumerate(TREE.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(size, seed))
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Each file below `root` with a digest of its bytes."""
    found = {}
    for path in root.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                found[str(path.relative_to(root))] = hashlib.file_digest(file, "sha256").digest()
    return found


def assert_same_tree(actual: Path, expected: Path) -> None:
    """Fails unless both directories hold the same files with the same bytes."""
    have, want = contents(actual), contents(expected)
    assert sorted(have) == sorted(want)
    assert [name for name in want if have[name] != want[name]] == []

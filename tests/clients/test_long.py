"""What takes minutes: hundreds of files, files of several hundred MiB, everything read back. For `tests/run --long`."""

import json
import random

import pytest
from conftest import ACCESS_KEY, MIB, REGION, SECRET_KEY, assert_same_tree

SECONDS = 900
pytestmark = pytest.mark.timeout(3600)


def write(path, size: int, seed: int) -> None:
    """A file that does not compress, made piece by piece."""
    source = random.Random(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while size > 0:
            size -= file.write(source.randbytes(min(size, 4 * MIB)))


@pytest.fixture
def forest(tmp_path):
    """Some hundred small files and a few large ones."""
    root = tmp_path / "forest"
    for number in range(600):
        write(root / f"branch {number % 17}/twig {number % 5}/leaf {number} ü.bin", number * 211 % 150_000, number)
    for number, size in enumerate((700, 300, 300, 50)):
        write(root / f"logs/log {number}.bin", size * MIB + number, 1000 + number)
    return root


@pytest.fixture
def restic(run, gateway):
    environment = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "RESTIC_REPOSITORY": f"s3:{gateway.endpoint}/backups/long",
        "RESTIC_PASSWORD": "secret",
    }
    return lambda *arguments: run("restic", *arguments, environment=environment, seconds=SECONDS)


def test_restic_backs_a_large_tree_up_checks_prunes_and_restores_it(restic, forest, tmp_path):
    restic("init")
    restic("backup", forest)
    for number in range(0, 600, 3):
        next(forest.rglob(f"leaf {number} ü.bin")).unlink()
    (forest / "logs/log 1.bin").unlink()
    write(forest / "logs/new.bin", 200 * MIB, 2000)
    restic("backup", forest)
    restic("check", "--read-data")
    restic("forget", "--keep-last", 1, "--prune", "--max-unused", "0")
    restic("check", "--read-data")
    restic("restore", "latest", "--target", "back")
    assert len(json.loads(restic("snapshots", "--json"))) == 1
    assert_same_tree(tmp_path / "back" / forest.relative_to("/"), forest)


def test_rclone_copies_a_large_tree_and_finds_every_byte_again(run, gateway, forest, tmp_path):
    settings = {"TYPE": "s3", "PROVIDER": "Other", "ACCESS_KEY_ID": ACCESS_KEY, "SECRET_ACCESS_KEY": SECRET_KEY,
                "ENDPOINT": gateway.endpoint, "REGION": REGION}  # fmt: skip
    environment = {f"RCLONE_CONFIG_REMOTE_{name}": value for name, value in settings.items()}

    def rclone(*arguments):
        once = ("--config", "", "--retries", 1, "--low-level-retries", 1)
        return run("rclone", *once, *arguments, environment=environment, seconds=SECONDS)

    rclone("copy", "forest", "remote:forest", "--transfers", 8)
    rclone("check", "--download", "forest", "remote:forest")
    rclone("sync", "remote:forest", "back", "--transfers", 8)
    assert_same_tree(tmp_path / "back", forest)

"""restic: many small objects, renames never, and it reads back all that it wrote."""

import json

import pytest
from conftest import ACCESS_KEY, REGION, SECRET_KEY, assert_same_tree, noise


@pytest.fixture
def restic(run, gateway):
    environment = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "RESTIC_REPOSITORY": f"s3:{gateway.endpoint}/backups/of the test",
        "RESTIC_PASSWORD": "secret",
    }
    return lambda *arguments, **options: run("restic", *arguments, environment=environment, **options)


@pytest.fixture
def repository(restic):
    restic("init")


def snapshots(restic) -> list[str]:
    """IDs of the snapshots, oldest first."""
    return [entry["id"] for entry in sorted(json.loads(restic("snapshots", "--json")), key=lambda entry: entry["time"])]


@pytest.mark.usefixtures("repository")
def test_both_states_of_a_changed_tree_are_restored(restic, tree, tmp_path):
    restic("backup", tree)
    (tree / "plain.txt").write_bytes(b"changed")
    (tree / "one byte").unlink()
    (tree / "new ü.bin").write_bytes(noise(3_000_000, 100))
    restic("backup", tree)
    restic("check", "--read-data")
    first, second = snapshots(restic)

    restic("restore", second, "--target", "second")
    assert_same_tree(tmp_path / "second" / tree.relative_to("/"), tree)

    restic("restore", first, "--target", "first")
    restored = tmp_path / "first" / tree.relative_to("/")
    assert (restored / "plain.txt").read_bytes() == noise(1000, 2)
    assert (restored / "one byte").read_bytes() == noise(1, 1)
    assert not (restored / "new ü.bin").exists()


@pytest.mark.usefixtures("repository")
def test_forget_with_prune_removes_the_old_data_and_keeps_the_new(restic, tree, tmp_path, s3):
    restic("backup", tree)
    (tree / "big/twenty MiB.bin").unlink()
    restic("backup", tree)
    kept = snapshots(restic)[-1]
    before = stored_bytes(s3)

    restic("forget", "--keep-last", 1, "--prune", "--max-unused", "0")

    assert snapshots(restic) == [kept]
    assert stored_bytes(s3) < before - 19_000_000
    restic("check", "--read-data")
    restic("restore", kept, "--target", "back")
    assert_same_tree(tmp_path / "back" / tree.relative_to("/"), tree)


@pytest.mark.usefixtures("repository")
def test_a_repository_is_not_made_twice(restic):
    restic("init", fails=True)


def stored_bytes(s3) -> int:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="backups")
    return sum(entry["Size"] for page in pages for entry in page.get("Contents", []))

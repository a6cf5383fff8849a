"""duplicity: volumes, signatures and manifests, through boto3."""

import pytest
from conftest import ACCESS_KEY, REGION, SECRET_KEY, assert_same_tree, noise


@pytest.fixture
def duplicity(run, gateway):
    environment = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    options = ("--s3-endpoint-url", gateway.endpoint, "--s3-region-name", REGION, "--no-encryption", "--volsize", 5)
    return lambda verb, *arguments: run("duplicity", verb, *options, *arguments, environment=environment)


@pytest.fixture
def target(bucket):
    return f"boto3+s3://{bucket}/of the test"


def test_both_states_of_a_changed_tree_are_restored(duplicity, target, tree, tmp_path, s3, bucket):
    duplicity("full", tree, target)
    volumes = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"] if ".vol" in entry["Key"]]
    assert len(volumes) > 3, "the tree should take some volumes"
    (tree / "plain.txt").write_bytes(b"changed")
    (tree / "one byte").unlink()
    (tree / "new ü.bin").write_bytes(noise(3_000_000, 100))
    duplicity("incremental", tree, target)
    duplicity("verify", "--compare-data", target, tree)
    duplicity("restore", target, "back")
    assert_same_tree(tmp_path / "back", tree)


def test_a_lost_archive_directory_is_fetched_again(duplicity, target, tree, tmp_path):
    duplicity("full", "--archive-dir", "one", tree, target)
    duplicity("restore", "--archive-dir", "two", target, "back")
    assert_same_tree(tmp_path / "back", tree)


def test_old_sets_are_removed(duplicity, target, tree, s3, bucket):
    duplicity("full", tree, target)
    first = {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    (tree / "big/twenty MiB.bin").unlink()
    duplicity("full", tree, target)
    duplicity("remove-all-but-n-full", 1, "--force", target)
    left = {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert left and not left & first

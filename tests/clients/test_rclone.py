"""rclone with the settings that the gateway prints for it."""

import json

import pytest
from conftest import ACCESS_KEY, REGION, SECRET_KEY, TREE, assert_same_tree

CHUNKED = ("--s3-chunk-size", "5Mi", "--s3-upload-cutoff", "5Mi")


@pytest.fixture
def rclone_to(run):
    """A function that runs rclone against the gateway given; the remote is called `remote`."""

    def rclone_to(gateway, *arguments, **options) -> str:
        remote = {
            "TYPE": "s3",
            "PROVIDER": "Other",
            "ACCESS_KEY_ID": ACCESS_KEY,
            "SECRET_ACCESS_KEY": SECRET_KEY,
            "ENDPOINT": gateway.endpoint,
            "REGION": REGION,
            "FORCE_PATH_STYLE": "true",
        }
        environment = {f"RCLONE_CONFIG_REMOTE_{name}": value for name, value in remote.items()}
        # No second chance: an error of the gateway must show.
        once = ("--config", "", "--retries", 1, "--low-level-retries", 1)
        return run("rclone", *once, *arguments, environment=environment, **options)

    return rclone_to


@pytest.fixture
def rclone(rclone_to, gateway):
    return lambda *arguments, **options: rclone_to(gateway, *arguments, **options)


def names(listing: str) -> list[str]:
    return sorted(listing.splitlines())


def test_a_tree_copied_up_and_down_is_the_same(rclone, tree, tmp_path):
    rclone("mkdir", "remote:made")
    rclone("copy", "tree", "remote:made/a b")
    rclone("check", "--download", "tree", "remote:made/a b")
    rclone("copy", "remote:made/a b", "back")
    assert_same_tree(tmp_path / "back", tree)


def test_a_tree_in_chunks_of_5_mib_is_the_same(rclone, bucket, tree, tmp_path, s3):
    rclone("copy", *CHUNKED, "tree", f"remote:{bucket}")
    assert s3.head_object(Bucket=bucket, Key="big/twenty MiB.bin")["ETag"].endswith('-4"')
    rclone("check", "--download", "tree", f"remote:{bucket}")
    rclone("copy", f"remote:{bucket}", "back")
    assert_same_tree(tmp_path / "back", tree)


def test_signature_version_2_carries_a_tree_up_and_down(rclone, tree, tmp_path):
    old = ("--s3-v2-auth", "--s3-upload-cutoff", "5Mi")
    rclone("mkdir", "remote:signed", *old)
    rclone("copy", "tree", "remote:signed/a b", *old)
    rclone("copy", "remote:signed/a b", "back", *old)
    assert_same_tree(tmp_path / "back", tree)


def test_check_by_hash_finds_no_difference_and_then_the_one_made(rclone, bucket, tree):
    rclone("copy", "tree", f"remote:{bucket}")
    rclone("check", "tree", f"remote:{bucket}")
    changed = bytearray((tree / "plain.txt").read_bytes())
    changed[500] ^= 1
    (tree / "plain.txt").write_bytes(changed)
    rclone("check", "tree", f"remote:{bucket}", fails=True)


def test_sync_makes_the_remote_equal_to_a_changed_tree(rclone, bucket, tree, tmp_path):
    rclone("sync", "tree", f"remote:{bucket}")
    (tree / "plain.txt").write_bytes(b"changed")
    (tree / "sub/deep/er/file.bin").unlink()
    (tree / "new ü.txt").write_bytes(b"new")
    rclone("sync", "tree", f"remote:{bucket}")
    rclone("sync", f"remote:{bucket}", "back")
    assert_same_tree(tmp_path / "back", tree)


def test_a_second_sync_sends_nothing(rclone, bucket, tree):
    rclone("sync", "tree", f"remote:{bucket}")
    before = rclone("lsjson", "-R", "--files-only", "--use-server-modtime", f"remote:{bucket}")
    rclone("sync", "--immutable", "tree", f"remote:{bucket}")
    assert rclone("lsjson", "-R", "--files-only", "--use-server-modtime", f"remote:{bucket}") == before


def test_times_of_files_are_kept(rclone, bucket, tree, tmp_path):
    rclone("copy", "tree", f"remote:{bucket}")
    rclone("copy", f"remote:{bucket}", "back")
    for name in TREE:
        assert (tmp_path / "back" / name).stat().st_mtime == pytest.approx((tree / name).stat().st_mtime, abs=1e-3)


def test_lsf_lists_each_file_with_its_size(rclone, bucket, tree):
    rclone("copy", "tree", f"remote:{bucket}")
    listing = rclone("lsjson", "-R", "--files-only", f"remote:{bucket}")
    assert {entry["Path"]: entry["Size"] for entry in json.loads(listing)} == TREE
    assert names(rclone("lsf", "-R", "--files-only", f"remote:{bucket}")) == sorted(TREE)


def test_deletefile_deletes_that_file_only(rclone, bucket, tree):
    rclone("copy", "tree/sub", f"remote:{bucket}/sub")
    rclone("deletefile", f"remote:{bucket}/sub/empty too")
    assert names(rclone("lsf", "-R", "--files-only", f"remote:{bucket}")) == ["sub/deep/er/file.bin"]


def test_a_moved_tree_is_at_its_new_place_only(rclone, bucket, tree, tmp_path):
    rclone("copy", "tree", f"remote:{bucket}/old")
    rclone("move", f"remote:{bucket}/old", f"remote:{bucket}/new +ü")
    rclone("copy", f"remote:{bucket}", "back")
    assert_same_tree(tmp_path / "back/new +ü", tree)
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["new +ü"]


def test_a_purged_bucket_is_gone(rclone, bucket, tree):
    rclone("copy", "tree/sub", f"remote:{bucket}")
    rclone("purge", f"remote:{bucket}")
    assert rclone("lsd", "remote:") == ""


def test_without_bucket_creation_the_bucket_default_takes_a_tree(rclone_to, default_gateway, tree, tmp_path):
    rclone_to(default_gateway, "copy", "tree", "remote:default")
    rclone_to(default_gateway, "copy", "remote:default", "back")
    assert_same_tree(tmp_path / "back", tree)
    assert rclone_to(default_gateway, "lsf", "remote:") == "default/\n"


def test_without_bucket_creation_no_other_bucket_takes_a_tree(rclone_to, default_gateway, tree):
    rclone_to(default_gateway, "copy", "tree/sub", "remote:another", fails=True)
    assert rclone_to(default_gateway, "lsf", "remote:") == "default/\n"

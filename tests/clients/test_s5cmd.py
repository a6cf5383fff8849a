"""s5cmd: many small requests in parallel, and parts in parallel."""

import json

import pytest
from conftest import ACCESS_KEY, MIB, REGION, SECRET_KEY, TREE, assert_same_tree, noise

# It reads `*` and `?` in a key as a pattern.
PLAIN = {name: size for name, size in TREE.items() if "?" not in name}


@pytest.fixture
def s5cmd(run, gateway):
    environment = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": REGION}
    # No second chance: an error of the gateway must show.
    once = ("--endpoint-url", gateway.endpoint, "--retry-count", 0)
    return lambda *arguments, **options: run("s5cmd", *once, *arguments, environment=environment, **options)


@pytest.fixture
def plain_tree(tree):
    (tree / "hash#question?.txt").unlink()
    return tree


def test_a_made_bucket_is_listed_and_a_removed_one_is_not(s5cmd):
    s5cmd("mb", "s3://made")
    assert s5cmd("ls").split()[-1] == "s3://made"
    s5cmd("rb", "s3://made")
    assert s5cmd("ls") == ""


def test_a_tree_copied_up_and_down_is_the_same(s5cmd, bucket, plain_tree, tmp_path):
    s5cmd("cp", "tree/", f"s3://{bucket}/a b/")
    s5cmd("cp", f"s3://{bucket}/a b/*", "back/")
    assert_same_tree(tmp_path / "back", plain_tree)


def test_a_tree_synced_up_and_down_is_the_same(s5cmd, bucket, plain_tree, tmp_path):
    s5cmd("sync", "tree/", f"s3://{bucket}/")
    s5cmd("sync", f"s3://{bucket}/*", "back/")
    assert_same_tree(tmp_path / "back", plain_tree)


def test_a_second_sync_sends_only_what_changed(s5cmd, bucket, plain_tree):
    s5cmd("sync", "tree/", f"s3://{bucket}/")
    assert s5cmd("sync", "tree/", f"s3://{bucket}/") == ""
    (plain_tree / "plain.txt").write_bytes(b"changed")
    (plain_tree / "one byte").unlink()
    output = s5cmd("sync", "--delete", "tree/", f"s3://{bucket}/")
    assert sorted(line.split()[0] for line in output.splitlines()) == ["cp", "rm"]


def test_a_file_in_parts_of_5_mib_comes_back_as_it_was(s5cmd, bucket, tmp_path, s3):
    (tmp_path / "large").write_bytes(noise(21 * MIB + 1, 1))
    s5cmd("cp", "--part-size", 5, "--concurrency", 4, "large", f"s3://{bucket}/large")
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-5"')
    s5cmd("cp", "--part-size", 5, "--concurrency", 4, f"s3://{bucket}/large", "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()


def test_ls_lists_each_file_with_its_size(s5cmd, bucket, plain_tree):
    s5cmd("cp", "tree/", f"s3://{bucket}/")
    entries = [json.loads(line) for line in s5cmd("--json", "ls", f"s3://{bucket}/*").splitlines()]
    assert {entry["key"].removeprefix(f"s3://{bucket}/"): entry.get("size", 0) for entry in entries} == PLAIN


def test_rm_by_pattern_removes_the_prefix_only(s5cmd, bucket, s3):
    for key in ("sub/one", "sub/two ü&", "subway"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s5cmd("rm", f"s3://{bucket}/sub/*")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["subway"]


def test_cp_and_mv_inside_the_gateway_keep_the_bytes(s5cmd, bucket, s3):
    body = noise(100_000, 2)
    s3.put_object(Bucket=bucket, Key="from ü", Body=body)
    s5cmd("cp", f"s3://{bucket}/from ü", f"s3://{bucket}/copy +")
    s5cmd("mv", f"s3://{bucket}/copy +", f"s3://{bucket}/moved")
    assert s3.get_object(Bucket=bucket, Key="moved")["Body"].read() == body
    assert sorted(entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]) == ["from ü", "moved"]


def test_a_pipe_and_cat_carry_the_bytes(s5cmd, bucket, s3):
    s3.put_object(Bucket=bucket, Key="text", Body="one\ntwo ü\n".encode())
    assert s5cmd("cat", f"s3://{bucket}/text") == "one\ntwo ü\n"

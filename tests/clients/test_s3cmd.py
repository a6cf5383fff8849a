"""s3cmd, whose configuration is a file of the test's own."""

import pytest
from conftest import ACCESS_KEY, REGION, SECRET_KEY, TREE, assert_same_tree, noise


@pytest.fixture
def s3cmd(run, gateway, tmp_path):
    config = tmp_path / "s3cfg"
    config.write_text(
        f"""[default]
access_key = {ACCESS_KEY}
secret_key = {SECRET_KEY}
bucket_location = {REGION}
host_base = {gateway.host}
host_bucket = {gateway.host}
use_https = False
signature_v2 = False
max_retries = 1
"""
    )
    return lambda *arguments, **options: run("s3cmd", f"--config={config}", "--no-progress", *arguments, **options)


def test_a_made_bucket_is_listed_and_a_removed_one_is_not(s3cmd):
    s3cmd("mb", "s3://made")
    assert s3cmd("ls").split()[-1] == "s3://made"
    s3cmd("rb", "s3://made")
    assert s3cmd("ls") == ""


@pytest.mark.parametrize("key", TREE)
def test_a_put_file_comes_back_as_it_was(s3cmd, bucket, tmp_path, key):
    (tmp_path / "up").write_bytes(noise(min(TREE[key], 100_000), 1))
    s3cmd("put", "up", f"s3://{bucket}/{key}")
    s3cmd("get", f"s3://{bucket}/{key}", "down")
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()


def test_a_tree_synced_up_and_down_is_the_same(s3cmd, bucket, tree, tmp_path):
    s3cmd("sync", "tree/", f"s3://{bucket}/a/")
    (tmp_path / "back").mkdir()
    s3cmd("sync", f"s3://{bucket}/a/", "back/")
    assert_same_tree(tmp_path / "back", tree)


def test_a_second_sync_sends_only_what_changed(s3cmd, bucket, tree):
    s3cmd("sync", "tree/", f"s3://{bucket}")
    assert "upload:" not in s3cmd("sync", "tree/", f"s3://{bucket}")
    (tree / "plain.txt").write_bytes(b"changed")
    output = s3cmd("sync", "tree/", f"s3://{bucket}")
    assert [line for line in output.splitlines() if "upload:" in line] != []
    assert output.count("upload:") == 1


def test_ls_lists_each_file_with_its_size(s3cmd, bucket, s3):
    for key in TREE:
        s3.put_object(Bucket=bucket, Key=key, Body=b"12345")
    lines = s3cmd("ls", "--recursive", f"s3://{bucket}").splitlines()
    found = {line.split(f"s3://{bucket}/")[1]: line.split()[2] for line in lines}
    assert found == dict.fromkeys(TREE, "5")


def test_del_recursive_removes_the_prefix_only(s3cmd, bucket, s3):
    for key in ("sub/one", "sub/two ü&", "subway"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3cmd("del", "--recursive", f"s3://{bucket}/sub/")
    s3cmd("del", f"s3://{bucket}/never there")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["subway"]


def test_a_file_in_parts_of_5_mib_comes_back_as_it_was(s3cmd, bucket, tree, tmp_path, s3):
    large = tree / "big/twenty MiB.bin"
    s3cmd("put", "--multipart-chunk-size-mb=5", large, f"s3://{bucket}/large")
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-4"')
    s3cmd("get", f"s3://{bucket}/large", "back")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()


def test_cp_and_mv_inside_the_gateway_keep_the_bytes(s3cmd, bucket, s3):
    body = noise(100_000, 2)
    s3.put_object(Bucket=bucket, Key="from ü", Body=body)
    s3cmd("cp", f"s3://{bucket}/from ü", f"s3://{bucket}/copy +")
    s3cmd("mv", f"s3://{bucket}/copy +", f"s3://{bucket}/moved")
    assert s3.get_object(Bucket=bucket, Key="moved")["Body"].read() == body
    assert sorted(entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]) == ["from ü", "moved"]

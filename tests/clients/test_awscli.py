"""The AWS command line, version 1."""

import json
import urllib.request

import pytest
from conftest import ACCESS_KEY, REGION, SECRET_KEY, TREE, assert_same_tree, noise

KEYS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": REGION}


@pytest.fixture
def aws(run, gateway):
    def aws(*arguments, config="/dev/null", **options) -> str:
        environment = KEYS | {"AWS_MAX_ATTEMPTS": "1", "AWS_CONFIG_FILE": str(config)}
        return run("aws", "--endpoint-url", gateway.endpoint, *arguments, environment=environment, **options)

    return aws


@pytest.fixture
def aws_json(aws):
    """Output of an `s3api` command; it prints nothing when the answer is empty."""
    return lambda *arguments: json.loads(aws("s3api", *arguments, "--output", "json") or "{}")


def test_a_made_bucket_is_listed_and_a_removed_one_is_not(aws):
    aws("s3", "mb", "s3://made")
    assert aws("s3", "ls").split()[-1] == "made"
    aws("s3", "rb", "s3://made")
    assert aws("s3", "ls") == ""


def test_a_copied_file_comes_back_as_it_was(aws, bucket, tmp_path):
    (tmp_path / "up").write_bytes(noise(70_000, 1))
    aws("s3", "cp", "up", f"s3://{bucket}/a key+ü")
    aws("s3", "cp", f"s3://{bucket}/a key+ü", "down")
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()


def test_a_tree_synced_up_and_down_is_the_same(aws, bucket, tree, tmp_path):
    aws("s3", "sync", "tree", f"s3://{bucket}/a")
    aws("s3", "sync", f"s3://{bucket}/a", "back")
    assert_same_tree(tmp_path / "back", tree)


def test_many_empty_and_small_files_go_up_side_by_side(aws, bucket, tmp_path, s3):
    # Each upload expects a 100, and an empty one never gets it: connections must not get out of step.
    files = tmp_path / "files"
    files.mkdir()
    for number in range(30):
        (files / f"empty {number}").write_bytes(b"")
        (files / f"full {number}").write_bytes(noise(700 * number + 1, number))
    aws("s3", "cp", "--recursive", "files", f"s3://{bucket}", "--cli-read-timeout", 20)
    sizes = {entry["Key"]: entry["Size"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert sizes == {path.name: path.stat().st_size for path in files.iterdir()}


def test_a_second_sync_sends_only_what_changed(aws, bucket, tree):
    aws("s3", "sync", "tree", f"s3://{bucket}")
    assert aws("s3", "sync", "tree", f"s3://{bucket}") == ""
    (tree / "plain.txt").write_bytes(b"changed")
    (tree / "one byte").unlink()
    output = aws("s3", "sync", "tree", f"s3://{bucket}", "--delete", "--no-progress")
    assert sorted(line.split()[0] for line in output.splitlines()) == ["delete:", "upload:"]


def test_ls_shows_sizes_and_folds_directories(aws, bucket, s3):
    s3.put_object(Bucket=bucket, Key="top", Body=b"12345")
    s3.put_object(Bucket=bucket, Key="sub/file", Body=b"")
    lines = aws("s3", "ls", f"s3://{bucket}/").splitlines()
    assert [line.split()[-2:] for line in lines] == [["PRE", "sub/"], ["5", "top"]]


def test_rm_recursive_removes_the_prefix_only(aws, bucket, s3):
    for key in ("sub/one", "sub/two", "subway"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    aws("s3", "rm", "--recursive", f"s3://{bucket}/sub/")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["subway"]


@pytest.mark.parametrize("key", ["plain", "a key+ü/with & more"])
def test_a_presigned_url_downloads_the_object(aws, bucket, s3, tmp_path, key):
    # Left to itself, this client presigns with Signature Version 2.
    (tmp_path / "aws.ini").write_text("[default]\ns3 =\n  signature_version = s3v4\n")
    body = noise(30_000, 2)
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    url = aws("s3", "presign", f"s3://{bucket}/{key}", "--expires-in", 60, config=tmp_path / "aws.ini").strip()
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == body


def test_a_file_of_20_mib_goes_in_parts_and_comes_back(aws, bucket, tree, tmp_path, s3):
    large = tree / "big/twenty MiB.bin"
    aws("s3", "cp", large, f"s3://{bucket}/large")
    # The client's parts are of 8 MiB.
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
    aws("s3", "cp", f"s3://{bucket}/large", "back")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()


def test_an_object_copied_and_moved_inside_the_gateway_keeps_its_bytes(aws, bucket, s3):
    body = noise(100_000, 3)
    s3.put_object(Bucket=bucket, Key="one", Body=body)
    aws("s3", "cp", f"s3://{bucket}/one", f"s3://{bucket}/two")
    aws("s3", "mv", f"s3://{bucket}/two", f"s3://{bucket}/three")
    assert s3.get_object(Bucket=bucket, Key="three")["Body"].read() == body
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["one", "three"]


def test_pages_of_a_listing_join_to_all_keys(aws_json, bucket, s3):
    for key in TREE:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    listed, token = [], []
    while True:
        page = aws_json("list-objects-v2", "--bucket", bucket, "--max-keys", 5, "--no-paginate", *token)
        assert page["KeyCount"] == len(page["Contents"]) <= 5
        listed += [entry["Key"] for entry in page["Contents"]]
        if not page["IsTruncated"]:
            break
        token = ["--continuation-token", page["NextContinuationToken"]]
    assert listed == sorted(TREE, key=str.encode)


def test_a_listing_that_the_client_pages_has_all_keys(aws_json, bucket, s3):
    for key in TREE:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    for command in ("list-objects", "list-objects-v2"):
        entries = aws_json(command, "--bucket", bucket, "--page-size", 3)["Contents"]
        assert [entry["Key"] for entry in entries] == sorted(TREE, key=str.encode)


def test_copy_object_keeps_bytes_and_metadata(aws_json, bucket, s3):
    s3.put_object(Bucket=bucket, Key="from", Body=b"body", ContentType="text/x-test", Metadata={"colour": "blue"})
    copied = aws_json("copy-object", "--bucket", bucket, "--key", "to", "--copy-source", f"{bucket}/from")
    got = s3.get_object(Bucket=bucket, Key="to")
    assert got["Body"].read() == b"body"
    assert (got["ContentType"], got["Metadata"]) == ("text/x-test", {"colour": "blue"})
    assert copied["CopyObjectResult"]["ETag"] == got["ETag"]


def test_list_multipart_uploads_names_what_is_open(aws_json, bucket):
    created = aws_json("create-multipart-upload", "--bucket", bucket, "--key", "a key")
    open_ones = aws_json("list-multipart-uploads", "--bucket", bucket)["Uploads"]
    assert [(entry["Key"], entry["UploadId"]) for entry in open_ones] == [("a key", created["UploadId"])]
    aws_json("abort-multipart-upload", "--bucket", bucket, "--key", "a key", "--upload-id", created["UploadId"])
    assert "Uploads" not in aws_json("list-multipart-uploads", "--bucket", bucket)


def test_a_missing_object_makes_the_client_fail(aws, bucket):
    aws("s3", "cp", f"s3://{bucket}/nothing", "down", fails=True)

"""s3fs, the file system of fsspec, over aiobotocore."""

import pytest
import s3fs
from conftest import ACCESS_KEY, MIB, REGION, SECRET_KEY, TREE, assert_same_tree, noise


@pytest.fixture
def fs(gateway):
    return s3fs.S3FileSystem(
        key=ACCESS_KEY,
        secret=SECRET_KEY,
        endpoint_url=gateway.endpoint,
        client_kwargs={"region_name": REGION},
        config_kwargs={"retries": {"total_max_attempts": 1}},
        default_block_size=5 * MIB,
        use_listings_cache=False,
        skip_instance_cache=True,
    )


@pytest.mark.parametrize("key", TREE)
def test_a_written_file_reads_back_as_it_was(fs, bucket, key):
    body = noise(min(TREE[key], 100_000), 1)
    fs.pipe_file(f"{bucket}/{key}", body)
    assert fs.cat_file(f"{bucket}/{key}") == body
    assert fs.find(bucket) == [f"{bucket}/{key}"]


def test_a_tree_put_and_got_is_the_same(fs, bucket, tree, tmp_path):
    fs.put(f"{tree}/", f"{bucket}/a/", recursive=True)
    fs.get(f"{bucket}/a/", f"{tmp_path}/back/", recursive=True)
    assert_same_tree(tmp_path / "back", tree)


def test_a_file_written_piece_by_piece_goes_in_parts(fs, bucket, s3):
    body = noise(12 * MIB + 3, 2)
    with fs.open(f"{bucket}/large", "wb") as file:
        for start in range(0, len(body), 1_000_003):
            file.write(body[start : start + 1_000_003])
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-2"') or '-3"' in s3.head_object(
        Bucket=bucket, Key="large"
    )["ETag"]
    assert fs.cat_file(f"{bucket}/large") == body


def test_a_seek_reads_exactly_that_range(fs, bucket):
    body = noise(300_000, 3)
    fs.pipe_file(f"{bucket}/key", body)
    with fs.open(f"{bucket}/key", "rb", block_size=4096) as file:
        file.seek(123_456)
        assert file.read(1000) == body[123_456:124_456]
        file.seek(-7, 2)
        assert file.read() == body[-7:]
    assert fs.cat_ranges([f"{bucket}/key"] * 2, [0, 5], [3, 9]) == [body[:3], body[5:9]]


def test_walk_folds_directories(fs, bucket, tree):
    fs.put(f"{tree}/", f"{bucket}/", recursive=True)
    top = {name.removeprefix(f"{bucket}/") for name in fs.ls(bucket, detail=False)}
    assert top == {name.split("/")[0] for name in TREE}
    assert fs.du(bucket) == sum(TREE.values())


def test_copies_moves_and_recursive_deletion(fs, bucket):
    body = noise(50_000, 4)
    fs.pipe_file(f"{bucket}/sub/from ü", body)
    fs.copy(f"{bucket}/sub/from ü", f"{bucket}/sub/to +")
    fs.mv(f"{bucket}/sub/to +", f"{bucket}/moved")
    assert fs.cat_file(f"{bucket}/moved") == body
    fs.rm(f"{bucket}/sub", recursive=True)
    assert fs.find(bucket) == [f"{bucket}/moved"]


def test_what_is_not_there_is_not_found(fs, bucket):
    assert not fs.exists(f"{bucket}/nothing")
    assert not fs.exists("no-such-bucket/nothing")
    with pytest.raises(FileNotFoundError):
        fs.cat_file(f"{bucket}/nothing")


def test_an_exclusive_write_does_not_replace(fs, bucket):
    fs.pipe_file(f"{bucket}/key", b"first")
    with pytest.raises(FileExistsError):
        fs.pipe_file(f"{bucket}/key", b"second", mode="create")
    assert fs.cat_file(f"{bucket}/key") == b"first"

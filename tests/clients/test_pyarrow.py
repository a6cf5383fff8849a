"""pyarrow: Parquet and datasets over the AWS SDK for C++."""

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from conftest import ACCESS_KEY, MIB, REGION, SECRET_KEY, TREE, noise
from pyarrow import fs


@pytest.fixture
def files(gateway):
    return fs.S3FileSystem(
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        region=REGION,
        scheme="http",
        endpoint_override=gateway.host,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
    )


@pytest.mark.parametrize("key", [name for name in TREE if not name.endswith("/")])
def test_a_written_file_reads_back_as_it_was(files, bucket, key):
    body = noise(min(TREE[key], 100_000), 1)
    with files.open_output_stream(f"{bucket}/{key}") as out:
        out.write(body)
    with files.open_input_stream(f"{bucket}/{key}") as file:
        assert file.read() == body
    assert files.get_file_info(f"{bucket}/{key}").size == len(body)


def test_a_large_file_goes_in_parts_and_is_read_at_random(files, bucket, s3):
    body = noise(23 * MIB, 2)
    with files.open_output_stream(f"{bucket}/large") as out:
        for start in range(0, len(body), 3 * MIB):
            out.write(body[start : start + 3 * MIB])
    assert "-" in s3.head_object(Bucket=bucket, Key="large")["ETag"]
    with files.open_input_file(f"{bucket}/large") as file:
        assert file.size() == len(body)
        for start in (0, 5 * MIB - 3, 22 * MIB):
            assert file.read_at(1000, start) == body[start : start + 1000]


def test_a_table_as_parquet_is_the_same_and_can_be_read_by_column(files, bucket):
    table = pa.table({"number": list(range(100_000)), "word": [f"word {n % 977}" for n in range(100_000)]})
    pq.write_table(table, f"{bucket}/a table.parquet", filesystem=files, row_group_size=10_000)
    assert pq.read_table(f"{bucket}/a table.parquet", filesystem=files).equals(table)
    column = pq.read_table(f"{bucket}/a table.parquet", filesystem=files, columns=["word"])
    assert column.equals(table.select(["word"]))


def test_a_partitioned_dataset_is_found_and_filtered(files, bucket):
    table = pa.table({"year": [2023, 2024, 2024, 2025], "value": [1, 2, 3, 4]})
    ds.write_dataset(
        table, f"{bucket}/set", filesystem=files, format="parquet",
        partitioning=ds.partitioning(pa.schema([("year", pa.int64())]), flavor="hive"),
    )  # fmt: skip
    found = ds.dataset(f"{bucket}/set", filesystem=files, format="parquet", partitioning="hive")
    assert sorted(found.to_table(filter=ds.field("year") == 2024)["value"].to_pylist()) == [2, 3]


def test_directories_are_made_listed_and_deleted(files, bucket):
    files.create_dir(f"{bucket}/dir/below", recursive=True)
    with files.open_output_stream(f"{bucket}/dir/file") as out:
        out.write(b"x")
    found = files.get_file_info(fs.FileSelector(f"{bucket}/dir", recursive=True))
    assert {(info.base_name, info.type) for info in found} == {
        ("below", fs.FileType.Directory),
        ("file", fs.FileType.File),
    }
    files.delete_dir(f"{bucket}/dir")
    assert files.get_file_info(f"{bucket}/dir/file").type == fs.FileType.NotFound


def test_a_copied_file_has_the_same_bytes(files, bucket):
    with files.open_output_stream(f"{bucket}/from") as out:
        out.write(b"body")
    files.copy_file(f"{bucket}/from", f"{bucket}/to ü")
    files.move(f"{bucket}/to ü", f"{bucket}/moved")
    with files.open_input_stream(f"{bucket}/moved") as file:
        assert file.read() == b"body"

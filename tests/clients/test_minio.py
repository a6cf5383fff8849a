"""The Python client of MinIO, which signs bodies in chunks."""

import io
import urllib.request
from datetime import timedelta

import pytest
from conftest import ACCESS_KEY, MIB, REGION, SECRET_KEY, TREE, noise
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error


@pytest.fixture
def client(gateway):
    return Minio(gateway.host, access_key=ACCESS_KEY, secret_key=SECRET_KEY, region=REGION, secure=False)


@pytest.fixture
def bucket(client):
    client.make_bucket("minio-bucket")
    return "minio-bucket"


def read(client, bucket, key, **options) -> bytes:
    answer = client.get_object(bucket, key, **options)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


def test_a_made_bucket_exists_and_another_does_not(client, bucket):
    assert client.bucket_exists(bucket)
    assert not client.bucket_exists("never-made")
    assert [entry.name for entry in client.list_buckets()] == [bucket]


@pytest.mark.parametrize("key", TREE)
def test_an_object_comes_back_as_it_was_put(client, bucket, key):
    body = noise(min(TREE[key], 100_000), 1)
    client.put_object(bucket, key, io.BytesIO(body), len(body), content_type="text/x-test", metadata={"colour": "blue"})
    assert read(client, bucket, key) == body
    stat = client.stat_object(bucket, key)
    assert (stat.size, stat.content_type, stat.metadata["x-amz-meta-colour"]) == (len(body), "text/x-test", "blue")


def test_a_listing_has_each_key_with_its_size(client, bucket):
    for key in TREE:
        client.put_object(bucket, key, io.BytesIO(b"12345"), 5)
    listed = [(entry.object_name, entry.size) for entry in client.list_objects(bucket, recursive=True)]
    assert listed == [(key, 5) for key in sorted(TREE, key=str.encode)]


def test_a_listing_that_is_not_recursive_shows_directories(client, bucket):
    for key in ("sub/1", "sub/2", "top"):
        client.put_object(bucket, key, io.BytesIO(b""), 0)
    # The client puts the objects of a page before its prefixes.
    assert {entry.object_name: entry.is_dir for entry in client.list_objects(bucket)} == {"sub/": True, "top": False}


def test_removed_objects_are_gone(client, bucket):
    for key in ("one", "two & three", "four"):
        client.put_object(bucket, key, io.BytesIO(b"x"), 1)
    client.remove_object(bucket, "one")
    assert list(client.remove_objects(bucket, [DeleteObject("two & three")])) == []
    assert [entry.object_name for entry in client.list_objects(bucket)] == ["four"]
    with pytest.raises(S3Error) as error:
        client.stat_object(bucket, "one")
    assert error.value.code == "NoSuchKey"


def test_a_multipart_upload_of_unknown_length_keeps_each_byte(client, bucket):
    body = noise(17 * MIB + 3, 2)
    client.put_object(bucket, "large", io.BytesIO(body), -1, part_size=5 * MIB)
    assert read(client, bucket, "large") == body
    assert client.stat_object(bucket, "large").etag.endswith("-4")
    assert read(client, bucket, "large", offset=5 * MIB - 10, length=20) == body[5 * MIB - 10 : 5 * MIB + 10]


def test_presigned_urls_put_and_get_without_keys(client, bucket):
    body = noise(50_000, 3)
    put = urllib.request.Request(
        client.presigned_put_object(bucket, "a key+ü", timedelta(minutes=1)), data=body, method="PUT"
    )
    with urllib.request.urlopen(put, timeout=30) as answer:
        assert answer.status == 200
    url = client.presigned_get_object(bucket, "a key+ü", timedelta(minutes=1))
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == body

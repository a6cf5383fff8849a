"""boto3 with its defaults, which since 2025 means CRC checksums in trailers."""

import io
import urllib.error
import urllib.request

import boto3
import pytest
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from conftest import MIB, TREE, noise, s3_client

SMALL_PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)


def status_and_code(error: ClientError) -> tuple[int, str]:
    return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]


@pytest.mark.parametrize("key", TREE)
def test_an_object_comes_back_as_it_was_put(s3, bucket, key):
    body = noise(min(TREE[key], 100_000), 1)
    put = s3.put_object(Bucket=bucket, Key=key, Body=body)
    got = s3.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == body
    assert got["ETag"] == put["ETag"]
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]


def test_an_empty_stream_does_not_spoil_the_connection_for_the_next(gateway, bucket):
    # botocore expects a 100 for streams, even empty ones. When the final answer comes without it on a connection that
    # stays open, botocore takes the next answer's status line for a header, and waits for a body that never ends.
    one_connection = s3_client(gateway, max_pool_connections=1)
    for key, body in (("empty", b""), ("full", b"body")):
        one_connection.put_object(Bucket=bucket, Key=key, Body=io.BytesIO(body))
    assert one_connection.get_object(Bucket=bucket, Key="full")["Body"].read() == b"body"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_each_checksum_that_boto3_can_compute_is_accepted(s3, bucket, algorithm):
    body = noise(300_000, 2)
    s3.put_object(Bucket=bucket, Key="key", Body=io.BytesIO(body), ChecksumAlgorithm=algorithm)
    assert s3.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")["Body"].read() == body


def test_a_wrong_checksum_is_refused_and_stores_nothing(s3, bucket):
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="key", Body=b"body", ChecksumCRC32="AAAAAA==")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_head_tells_the_headers_and_metadata_that_put_sent(s3, bucket):
    s3.put_object(
        Bucket=bucket,
        Key="key",
        Body=b"12345",
        ContentType="text/x-test",
        CacheControl="max-age=7",
        ContentDisposition='attachment; filename="a b"',
        Metadata={"colour": "blue", "spaces": "a  b"},
    )
    head = s3.head_object(Bucket=bucket, Key="key")
    assert head["ContentLength"] == 5
    assert head["ContentType"] == "text/x-test"
    assert head["CacheControl"] == "max-age=7"
    assert head["ContentDisposition"] == 'attachment; filename="a b"'
    assert head["Metadata"]["colour"] == "blue"
    assert head["Metadata"].keys() == {"colour", "spaces"}
    assert head["ETag"] == '"827ccb0eea8a706c4c34a16891f84e7b"'


def test_a_missing_object_is_404(s3, bucket):
    with pytest.raises(ClientError) as head:
        s3.head_object(Bucket=bucket, Key="nothing")
    assert status_and_code(head.value) == (404, "404")
    with pytest.raises(ClientError) as get:
        s3.get_object(Bucket=bucket, Key="nothing")
    assert status_and_code(get.value) == (404, "NoSuchKey")


def test_a_missing_bucket_is_404(s3):
    with pytest.raises(ClientError) as error:
        s3.list_objects_v2(Bucket="nothing-here")
    assert status_and_code(error.value) == (404, "NoSuchBucket")


def test_a_wrong_secret_is_403(gateway, bucket):
    stranger = boto3.session.Session().client(
        "s3",
        endpoint_url=gateway.endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="wrong",
        region_name="us-east-1",
    )
    with pytest.raises(ClientError) as error:
        stranger.list_objects_v2(Bucket=bucket)
    assert status_and_code(error.value) == (403, "SignatureDoesNotMatch")


def test_a_multipart_upload_and_download_in_small_parts_keep_each_byte(s3, bucket):
    body = noise(23 * MIB + 17, 3)
    s3.upload_fileobj(io.BytesIO(body), bucket, "large", Config=SMALL_PARTS)
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-5"')
    back = io.BytesIO()
    s3.download_fileobj(bucket, "large", back, Config=SMALL_PARTS)
    assert back.getbuffer() == body
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_an_aborted_upload_leaves_no_object_and_no_upload(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="key", UploadId=upload, PartNumber=1, Body=b"part")
    assert [part["Size"] for part in s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)["Parts"]] == [4]
    s3.abort_multipart_upload(Bucket=bucket, Key="key", UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_copy_in_one_request_equals_its_source(s3, bucket):
    body = noise(12 * MIB, 4)
    s3.put_object(Bucket=bucket, Key="source ä+", Body=body)
    one_request = TransferConfig(multipart_threshold=16 * MIB)
    s3.copy({"Bucket": bucket, "Key": "source ä+"}, bucket, "copy", Config=one_request)
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == body


def test_a_large_copy_goes_in_parts(s3, bucket):
    body = noise(12 * MIB, 4)
    s3.put_object(Bucket=bucket, Key="source", Body=body)
    s3.copy({"Bucket": bucket, "Key": "source"}, bucket, "copy", Config=SMALL_PARTS)
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == body
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_presigned_urls_put_and_get_without_keys(gateway, bucket):
    body = noise(50_000, 5)
    signer = s3_client(gateway, signature_version="s3v4")
    arguments = {"Bucket": bucket, "Key": "a key+ü"}
    put = urllib.request.Request(
        signer.generate_presigned_url("put_object", Params=arguments, ExpiresIn=60), data=body, method="PUT"
    )
    put.add_header("Content-Type", "application/octet-stream")
    with urllib.request.urlopen(put, timeout=30) as answer:
        assert answer.status == 200
    url = signer.generate_presigned_url("get_object", Params=arguments, ExpiresIn=60)
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == body


def test_a_presigned_url_for_get_does_not_delete(gateway, bucket, s3):
    s3.put_object(Bucket=bucket, Key="key", Body=b"body")
    signer = s3_client(gateway, signature_version="s3v4")
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"}, ExpiresIn=60)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=30)
    assert refused.value.code == 403
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"body"


def test_the_paginator_sees_each_key_once_and_in_order(s3, bucket):
    keys = sorted((f"d{number % 3}/{number:02} é" for number in range(25)), key=str.encode)
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 4}))
    assert [entry["Key"] for page in pages for entry in page.get("Contents", [])] == keys
    assert len(pages) == 7


def test_a_delimiter_folds_keys_into_prefixes(s3, bucket):
    for key in ("a/1", "a/2", "b/c/3", "top"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["a/", "b/"]
    assert [entry["Key"] for entry in page["Contents"]] == ["top"]


def test_delete_objects_removes_the_named_ones_only(s3, bucket):
    for key in ("a&b", "c<d>", "ü/e", "stays"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    named = ["a&b", "c<d>", "ü/e", "was never there"]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in named]})
    assert sorted(entry["Key"] for entry in answer["Deleted"]) == sorted(named)
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["stays"]


@pytest.mark.parametrize(
    ("asked", "expected"), [("bytes=2-5", b"2345"), ("bytes=7-", b"789"), ("bytes=-3", b"789"), ("bytes=8-99", b"89")]
)
def test_a_range_gives_its_bytes_and_206(s3, bucket, asked, expected):
    s3.put_object(Bucket=bucket, Key="key", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="key", Range=asked)
    assert got["Body"].read() == expected
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"].endswith("/10")


def test_a_range_behind_the_end_is_416(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"0123456789")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="key", Range="bytes=10-")
    assert status_and_code(error.value) == (416, "InvalidRange")


def test_a_put_if_none_match_does_not_overwrite(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="key", Body=b"second", IfNoneMatch="*")
    assert status_and_code(error.value) == (412, "PreconditionFailed")
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"first"


def test_a_put_if_match_overwrites_only_what_it_names(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="key", Body=b"first")["ETag"]
    s3.put_object(Bucket=bucket, Key="key", Body=b"second", IfMatch=first)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="key", Body=b"third", IfMatch=first)
    assert status_and_code(error.value) == (412, "PreconditionFailed")
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"second"


def test_a_get_if_none_match_of_the_same_etag_is_304(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"body")["ETag"]
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="key", IfNoneMatch=etag)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304


def test_a_bucket_is_deleted_only_when_it_is_empty(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"")
    with pytest.raises(ClientError) as error:
        s3.delete_bucket(Bucket=bucket)
    assert status_and_code(error.value) == (409, "BucketNotEmpty")
    s3.delete_object(Bucket=bucket, Key="key")
    s3.delete_bucket(Bucket=bucket)
    assert s3.list_buckets()["Buckets"] == []


def test_without_bucket_creation_there_is_the_bucket_default_and_no_other(default_gateway):
    client = s3_client(default_gateway)
    assert [entry["Name"] for entry in client.list_buckets()["Buckets"]] == ["default"]
    body = noise(12 * MIB, 6)
    client.upload_fileobj(io.BytesIO(body), "default", "sub/key", Config=SMALL_PARTS)
    assert client.get_object(Bucket="default", Key="sub/key")["Body"].read() == body
    with pytest.raises(ClientError):
        client.put_object(Bucket="another", Key="key", Body=b"")


@pytest.mark.parametrize("key", ["key", "a b+c/\u00e9"])
def test_signature_version_2_is_accepted_in_header_and_url(gateway, s3, bucket, key):
    old = s3_client(gateway, signature_version="s3")
    old.put_object(Bucket=bucket, Key=key, Body=b"body", ContentType="text/x-test", Metadata={"b": "2", "a": "1"})
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"body"
    assert old.get_object(Bucket=bucket, Key=key, ResponseContentType="text/y")["ContentType"] == "text/y"
    assert old.list_objects_v2(Bucket=bucket, Prefix=key[:1])["KeyCount"] == 1
    old.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "other"}]})
    url = s3_client(gateway, signature_version="s3-query").generate_presigned_url("get_object", {"Bucket": bucket, "Key": key})
    assert "AWSAccessKeyId=" in url
    assert urllib.request.urlopen(url).read() == b"body"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace("Expires=", "Expires=1"))
    assert refused.value.code == 403


def test_every_object_is_its_only_version(s3, bucket):
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"key {number}", Body=b"x")
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    versions = [version for page in pages for version in page["Versions"]]
    assert [version["Key"] for version in versions] == [f"key {number}" for number in range(5)]
    assert all(version["VersionId"] == "null" and version["IsLatest"] for version in versions)
    doomed = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed})["Deleted"]) == 5
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)


def test_a_bucket_keeps_tags_and_rules_for_web_pages(s3, bucket):
    tags = [{"Key": "a", "Value": "1 + 1"}, {"Key": "b", "Value": "é"}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    with pytest.raises(ClientError, match="NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket=bucket)
    rule = {
        "ID": "pages",
        "AllowedOrigins": ["https://*.example"],
        "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 60,
    }
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [rule]
    s3.delete_bucket_cors(Bucket=bucket)
    with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
        s3.get_bucket_cors(Bucket=bucket)
    block = dict.fromkeys(["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == block
    with pytest.raises(ClientError, match="NotImplemented"):
        s3.put_bucket_policy(Bucket=bucket, Policy="{}")
    rules = [{"ID": "x", "Status": "Enabled", "Prefix": "", "Expiration": {"Days": 1}}]
    with pytest.raises(ClientError, match="NotImplemented"):
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize("size", [10, 3 * MIB])
def test_a_form_that_boto3_has_signed_can_be_posted(gateway, s3, bucket, version, size):
    body = noise(size, 7)
    signer = s3_client(gateway, signature_version=version)
    post = signer.generate_presigned_post(
        bucket,
        "user/${filename}",
        Fields={"acl": "private", "success_action_status": "201"},
        Conditions=[{"acl": "private"}, {"success_action_status": "201"}, ["content-length-range", 1, 4 * MIB]],
    )

    def send(**changed):
        fields = {**post["fields"], **changed, "file": ("a b.bin", body)}
        data, kind = urllib3.encode_multipart_formdata(fields)
        return urllib3.request("POST", post["url"], body=data, headers={"Content-Type": kind})

    answer = send()
    assert answer.status == 201, answer.data
    assert b"<Key>user/a b.bin</Key>" in answer.data
    assert s3.get_object(Bucket=bucket, Key="user/a b.bin")["Body"].read() == body
    for changed in ({"key": "other"}, {"acl": "public-read"}, {"x-amz-meta-a": "b"}):
        refused = send(**changed)
        assert refused.status == 403 and b"AccessDenied" in refused.data, refused.data

"""Checksums of objects and of their parts, in every algorithm, both ways.

boto3 computes three of the five without its native extension; the values of the others are computed here.
"""

import base64
import hashlib
import io
import zlib

import pytest
from botocore.exceptions import ClientError
from conftest import MIB, noise, s3_client


def table(polynomial: int) -> list[int]:
    """The table of a reflected CRC."""
    entries = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        entries.append(value)
    return entries


CRC32C = table(0x82F63B78)
CRC64NVME = table(0x9A6C9329AC4BC9B5)


def crc(entries: list[int], bits: int, data: bytes) -> bytes:
    value = ones = (1 << bits) - 1
    for byte in data:
        value = value >> 8 ^ entries[(value ^ byte) & 0xFF]
    return (value ^ ones).to_bytes(bits // 8, "big")


DIGESTS = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "CRC32C": lambda data: crc(CRC32C, 32, data),
    "CRC64NVME": lambda data: crc(CRC64NVME, 64, data),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}
# What boto3 computes by itself, and so sends behind the body of a stream.
IN_TRAILERS = ["CRC32", "SHA1", "SHA256"]
WHOLE = ["CRC32", "CRC32C", "CRC64NVME"]
OF_PARTS = ["CRC32", "CRC32C", "SHA1", "SHA256"]


def value(algorithm: str, data: bytes) -> str:
    return base64.b64encode(DIGESTS[algorithm](data)).decode()


def code(error) -> str:
    return error.value.response["Error"]["Code"]


@pytest.fixture
def bare(gateway):
    """A client that adds no checksum of its own."""
    return s3_client(gateway, request_checksum_calculation="when_required", response_checksum_validation="when_required")


def test_the_sums_of_this_file_are_right():
    # The check values of the algorithms' definitions.
    assert DIGESTS["CRC32C"](b"123456789").hex() == "e3069283"
    assert DIGESTS["CRC64NVME"](b"123456789").hex() == "ae8b14860a799888"


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_a_checksum_in_a_header_is_kept_and_told_to_who_asks(bare, bucket, algorithm):
    body = noise(10_000, 1)
    field = f"Checksum{algorithm}"
    right = value(algorithm, body)
    put = bare.put_object(Bucket=bucket, Key="key", Body=body, **{field: right})
    assert put[field] == right and put["ChecksumType"] == "FULL_OBJECT"
    for read in (bare.get_object, bare.head_object):
        asked = read(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
        assert asked[field] == right and asked["ChecksumType"] == "FULL_OBJECT"
        assert field not in read(Bucket=bucket, Key="key")
    about = bare.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["Checksum", "ObjectSize"])
    assert about["Checksum"][field] == right and about["ObjectSize"] == len(body)
    copied = bare.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "key"})
    assert copied["CopyObjectResult"][field] == right


@pytest.mark.parametrize("algorithm", IN_TRAILERS)
def test_a_checksum_in_a_trailer_is_kept_and_verified_by_the_client(s3, bucket, algorithm):
    body = noise(300_000, 2)
    field = f"Checksum{algorithm}"
    s3.put_object(Bucket=bucket, Key="key", Body=io.BytesIO(body), ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    assert got[field] == value(algorithm, body)


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_a_wrong_or_odd_checksum_stores_nothing(bare, bucket, algorithm):
    field = f"Checksum{algorithm}"
    with pytest.raises(ClientError) as wrong:
        bare.put_object(Bucket=bucket, Key="key", Body=b"body", **{field: value(algorithm, b"other")})
    assert code(wrong) == "BadDigest"
    for odd in ("AA==", "no base64!", ""):
        with pytest.raises(ClientError) as malformed:
            bare.put_object(Bucket=bucket, Key="key", Body=b"body", **{field: odd})
        assert code(malformed) == "InvalidRequest"
    assert bare.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def upload(s3, bucket, parts, field, **start):
    """Uploads parts with their checksums; answers what CompleteMultipartUpload takes."""
    algorithm = field.removeprefix("Checksum")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm=algorithm, **start)["UploadId"]
    named = []
    for number, body in enumerate(parts, 1):
        right = value(algorithm, body)
        target = {"Bucket": bucket, "Key": "key", "UploadId": upload, "PartNumber": number}
        with pytest.raises(ClientError) as wrong:
            s3.upload_part(**target, Body=body, **{field: value(algorithm, b"other")})
        assert code(wrong) == "BadDigest"
        part = s3.upload_part(**target, Body=body, **{field: right})
        assert part[field] == right
        named.append({"PartNumber": number, "ETag": part["ETag"], field: right})
    listed = s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)
    assert [part[field] for part in listed["Parts"]] == [part[field] for part in named]
    assert listed["ChecksumAlgorithm"] == algorithm
    return upload, named


@pytest.mark.parametrize("algorithm", OF_PARTS)
def test_the_checksum_of_an_upload_is_made_of_those_of_its_parts(bare, bucket, algorithm):
    field = f"Checksum{algorithm}"
    # In pure Python a CRC of 5 MiB takes a second.
    parts = [bytes(5 * MIB), b"the end"]
    upload_id, named = upload(bare, bucket, parts, field, ChecksumType="COMPOSITE")
    lying = [{**named[0], field: value(algorithm, b"other")}, named[1]]
    target = {"Bucket": bucket, "Key": "key", "UploadId": upload_id}
    with pytest.raises(ClientError) as refused:
        bare.complete_multipart_upload(**target, MultipartUpload={"Parts": lying})
    assert code(refused) == "InvalidPart"
    assert bare.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    done = bare.complete_multipart_upload(**target, MultipartUpload={"Parts": named})
    sums = b"".join(base64.b64decode(part[field]) for part in named)
    expected = f"{value(algorithm, sums)}-2"
    assert done[field] == expected and done["ChecksumType"] == "COMPOSITE"
    head = bare.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert head[field] == expected and head["ChecksumType"] == "COMPOSITE"
    about = bare.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["Checksum", "ObjectParts"])
    assert about["ObjectParts"]["TotalPartsCount"] == 2
    assert [part[field] for part in about["ObjectParts"]["Parts"]] == [part[field] for part in named]


@pytest.mark.parametrize("algorithm", WHOLE)
def test_the_checksum_of_an_upload_can_be_that_of_the_whole_object(bare, bucket, algorithm):
    field = f"Checksum{algorithm}"
    parts = [bytes(5 * MIB), b"the end"]
    whole = value(algorithm, b"".join(parts))
    upload_id, named = upload(bare, bucket, parts, field, ChecksumType="FULL_OBJECT")
    target = {"Bucket": bucket, "Key": "key", "UploadId": upload_id, "MultipartUpload": {"Parts": named}}
    with pytest.raises(ClientError) as refused:
        bare.complete_multipart_upload(**target, ChecksumType="FULL_OBJECT", **{field: value(algorithm, b"other")})
    assert code(refused) == "BadDigest"
    assert bare.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    done = bare.complete_multipart_upload(**target, ChecksumType="FULL_OBJECT", **{field: whole})
    assert done[field] == whole and done["ChecksumType"] == "FULL_OBJECT"
    head = bare.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert head[field] == whole and head["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize(("algorithm", "kind"), [("SHA1", "FULL_OBJECT"), ("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")])
def test_an_algorithm_that_cannot_be_of_that_kind_is_refused(bare, bucket, algorithm, kind):
    with pytest.raises(ClientError) as refused:
        bare.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm=algorithm, ChecksumType=kind)
    assert code(refused) == "InvalidRequest"

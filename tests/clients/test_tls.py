"""HTTPS: clients that trust the certificate, and a certificate that is renewed while the program runs."""

import os
import shutil
import socket
import ssl
import time
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError, SSLError
from conftest import ACCESS_KEY, MIB, REGION, SECRET_KEY, noise, start_gateway, stop

# Self-signed for `localhost`, made for tests.
CERTIFICATES = Path(__file__).parents[2] / "host/src/http/tls"


@pytest.fixture
def secure(tmp_path):
    """A gateway that speaks HTTPS, and the directory of its certificate."""
    directory = tmp_path / "tls"
    directory.mkdir()
    install(directory, "one")
    flags = ["--tls-cert", str(directory / "cert.pem"), "--tls-key", str(directory / "key.pem")]
    running = start_gateway(tmp_path, "--allow-bucket-creation", *flags)
    yield running, directory
    stop(running.process)


def install(directory: Path, name: str) -> None:
    """Puts a pair of files in place as a renewal does: each at once, the two one after the other."""
    for target, source in (("cert.pem", f"{name}.crt"), ("key.pem", f"{name}.key")):
        fresh = directory / "fresh"
        shutil.copy(CERTIFICATES / source, fresh)
        os.replace(fresh, directory / target)


def client(gateway, name: str):
    """A boto3 client that trusts one certificate."""
    assert gateway.endpoint.startswith("https://")
    port = gateway.endpoint.rsplit(":", 1)[1]
    return boto3.session.Session(
        aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION
    ).client(
        "s3",
        endpoint_url=f"https://localhost:{port}",
        verify=str(CERTIFICATES / f"{name}.crt"),
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def shown(gateway) -> bytes:
    """The certificate that the gateway shows now."""
    port = int(gateway.endpoint.rsplit(":", 1)[1])
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as stream:
            assert stream.version() in ("TLSv1.2", "TLSv1.3")
            return stream.getpeercert(binary_form=True)


def test_objects_go_over_https_and_only_to_clients_that_trust_the_certificate(secure):
    gateway, _ = secure
    s3 = client(gateway, "one")
    s3.create_bucket(Bucket="abc")
    body = noise(3 * MIB, 1)
    s3.put_object(Bucket="abc", Key="k", Body=body)
    assert s3.get_object(Bucket="abc", Key="k")["Body"].read() == body
    upload = s3.create_multipart_upload(Bucket="abc", Key="k")["UploadId"]
    part = s3.upload_part(Bucket="abc", Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    done = s3.complete_multipart_upload(
        Bucket="abc", Key="k", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    assert done["Location"].startswith("https://localhost:")
    with pytest.raises((SSLError, EndpointConnectionError)):
        client(gateway, "other").list_buckets()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_versions_of_tls_are_refused(secure):
    gateway, _ = secure
    port = int(gateway.endpoint.rsplit(":", 1)[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", port), 10) as plain, pytest.raises(OSError):
        context.wrap_socket(plain)


def test_a_renewed_certificate_is_used_without_a_restart(secure):
    gateway, directory = secure
    before = shown(gateway)
    s3 = client(gateway, "one")
    s3.create_bucket(Bucket="abc")
    install(directory, "other")
    deadline = time.monotonic() + 60
    while shown(gateway) == before:
        assert time.monotonic() < deadline, "the new certificate was never used"
        time.sleep(0.5)
    assert client(gateway, "other").list_buckets()["Buckets"][0]["Name"] == "abc"
    s3.head_bucket(Bucket="abc")  # on the connection from before

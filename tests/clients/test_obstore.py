"""obstore: the Rust crate object_store with its conditional writes."""

import obstore
import pytest
from conftest import ACCESS_KEY, MIB, REGION, SECRET_KEY, TREE, noise
from obstore.exceptions import AlreadyExistsError, NotModifiedError, PreconditionError
from obstore.store import S3Store

# It takes keys for paths: no empty components, no `.`, and some characters only in encoded form.
PATHS = [name for name in TREE if not set(name) & set('"<>#?%~^|`[]{}\\*')]


@pytest.fixture
def store(gateway, bucket):
    return S3Store(
        bucket,
        endpoint=gateway.endpoint,
        region=REGION,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


@pytest.mark.parametrize("key", PATHS)
def test_an_object_comes_back_as_it_was_put(store, key):
    body = noise(min(TREE[key], 100_000), 1)
    obstore.put(store, key, body)
    assert bytes(obstore.get(store, key).bytes()) == body
    assert [entry["path"] for page in obstore.list(store) for entry in page] == [key]


def test_a_large_object_goes_in_parts_and_comes_back(store, s3, bucket):
    body = noise(17 * MIB + 1, 2)
    obstore.put(store, "large", body, chunk_size=5 * MIB, max_concurrency=4)
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-4"')
    assert b"".join(bytes(piece) for piece in obstore.get(store, "large").stream(min_chunk_size=MIB)) == body


def test_ranges_are_exactly_the_bytes_asked_for(store):
    body = noise(100_000, 3)
    obstore.put(store, "key", body)
    assert bytes(obstore.get_range(store, "key", start=10, length=90)) == body[10:100]
    ranges = obstore.get_ranges(store, "key", starts=[0, 50_000], ends=[10, 50_010])
    assert [bytes(each) for each in ranges] == [body[:10], body[50_000:50_010]]
    assert bytes(obstore.get(store, "key", options={"range": {"suffix": 7}}).bytes()) == body[-7:]


def test_only_the_first_of_two_creations_is_done(store):
    obstore.put(store, "key", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "key", b"second", mode="create")
    assert bytes(obstore.get(store, "key").bytes()) == b"first"


def test_an_update_of_another_state_is_refused(store):
    first = obstore.put(store, "key", b"first")
    second = obstore.put(store, "key", b"second", mode={"e_tag": first["e_tag"]})
    with pytest.raises(PreconditionError):
        obstore.put(store, "key", b"third", mode={"e_tag": first["e_tag"]})
    with pytest.raises(NotModifiedError):
        obstore.get(store, "key", options={"if_none_match": second["e_tag"]})
    assert bytes(obstore.get(store, "key").bytes()) == b"second"


def test_a_listing_with_a_delimiter_folds_directories(store):
    for name in ("top", "sub/one", "sub/two", "sub/deep/three"):
        obstore.put(store, name, b"x")
    listing = obstore.list_with_delimiter(store, "sub")
    assert [entry["path"] for entry in listing["objects"]] == ["sub/one", "sub/two"]
    assert listing["common_prefixes"] == ["sub/deep"]


def test_a_listing_of_many_objects_has_each_once(store):
    wanted = [f"many/{n:04}" for n in range(1203)]
    for name in wanted:
        obstore.put(store, name, b"", use_multipart=False)
    assert [entry["path"] for page in obstore.list(store, "many") for entry in page] == wanted
    assert [entry["path"] for page in obstore.list(store, offset="many/1200") for entry in page] == wanted[1201:]


def test_copy_rename_and_delete(store):
    obstore.put(store, "from ü", b"body")
    obstore.copy(store, "from ü", "copy")
    obstore.rename(store, "copy", "renamed")
    obstore.delete(store, ["from ü"])
    assert [entry["path"] for page in obstore.list(store) for entry in page] == ["renamed"]
    assert bytes(obstore.get(store, "renamed").bytes()) == b"body"


def test_a_signed_url_downloads_the_object(store):
    import urllib.request
    from datetime import timedelta

    obstore.put(store, "a key+ü", b"body")
    url = obstore.sign(store, "GET", "a key+ü", timedelta(seconds=60))
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == b"body"


def test_attributes_are_kept(store):
    obstore.put(store, "key", b"x", attributes={"Content-Type": "text/x-test", "owner": "somebody"})
    attributes = obstore.get(store, "key").attributes
    assert attributes["Content-Type"] == "text/x-test"
    assert attributes["owner"] == "somebody"

"""Clients of the real Drime service, against the simulator: what they accept is how faithful it is."""

from pathlib import Path

import pytest
from conftest import MIB, assert_same_tree, noise, stop
from drime_sim import Proxy, Simulator, start_simulator
from pydrime.api import DrimeClient
from pydrime.exceptions import DrimeAPIError


@pytest.fixture
def simulator():
    running = start_simulator()
    yield running
    stop(running.process)


@pytest.fixture
def pydrime(simulator, monkeypatch):
    """pydrime, which can be told where the service is."""
    monkeypatch.setenv("DRIME_API_URL", simulator.api)
    client = DrimeClient(api_key=simulator.token, api_url=simulator.api, retry_delay=0.01)
    yield client
    client.close()


def write(path: Path, size: int, seed: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(noise(size, seed))
    return path


def names(client: DrimeClient, folder: int) -> list[str]:
    page = client.get_file_entries(parent_ids=[folder], workspace_id=0)
    return sorted(entry["name"] for entry in page["data"])


def test_pydrime_uploads_lists_and_downloads(pydrime, tmp_path):
    folder = pydrime.create_folder("bkt")["folder"]["id"]
    for size in (0, 1200, 300_000):
        source = write(tmp_path / f"{size}.txt", size)
        entry = pydrime.upload_file_simple(source, parent_id=folder)["fileEntry"]
        assert entry["file_size"] == size
        target = tmp_path / "back"
        pydrime.download_file(entry["hash"], target)
        assert target.read_bytes() == source.read_bytes()
    assert names(pydrime, folder) == ["0.txt", "1200.txt", "300000.txt"]


def test_pydrime_uploads_in_parts_and_presigned(pydrime, simulator, tmp_path):
    folder = pydrime.create_folder("bkt")["folder"]["id"]
    big = write(tmp_path / "big.bin", 13 * MIB)
    sent = pydrime.upload_file_multipart(big, parent_id=folder, chunk_size=6 * MIB)
    small = write(tmp_path / "small.bin", 5000, 2)
    signed = pydrime.upload_file_presign(small, parent_id=folder)
    for entry, source in ((sent, big), (signed, small)):
        target = tmp_path / "back"
        pydrime.download_file(entry["fileEntry"]["hash"], target)
        assert target.read_bytes() == source.read_bytes()
    assert simulator.counters()["storage put"] == 4
    assert not any(record["authorization"] for record in simulator.log() if record["origin"] == "storage")


def test_pydrime_renames_moves_copies_and_deletes(pydrime, tmp_path):
    one = pydrime.create_folder("one")["folder"]["id"]
    two = pydrime.create_folder("two")["folder"]["id"]
    entry = pydrime.upload_file_simple(write(tmp_path / "a.txt", 10), parent_id=one)["fileEntry"]["id"]
    pydrime.rename_file_entry(entry, "b.txt")
    pydrime.move_file_entries([entry], two)
    assert (names(pydrime, one), names(pydrime, two)) == ([], ["b.txt"])
    pydrime.duplicate_file_entries([entry], one)
    assert names(pydrime, one) == ["b.txt"]
    pydrime.delete_file_entries([entry])
    assert names(pydrime, two) == []
    pydrime.restore_file_entries([entry])
    assert names(pydrime, two) == ["b.txt"]
    pydrime.delete_file_entries([entry], delete_forever=True)
    with pytest.raises(DrimeAPIError):
        pydrime.delete_file_entries([entry], delete_forever=True)


def test_pydrime_repeats_what_failed(pydrime, simulator):
    simulator.fault("GET /cli/loggedUser=503,502")
    assert pydrime.get_logged_user()["user"]["id"] > 0
    assert simulator.counters()["loggedUser"] == 3
    assert pydrime.get_workspaces()["workspaces"][0]["id"] == 1873


@pytest.fixture
def rclone(simulator, tmp_path, run):
    """rclone's drime backend: its address of the service is fixed, so it goes through the proxy."""
    proxy = Proxy(simulator, tmp_path)
    environment = {
        "HTTPS_PROXY": proxy.url,
        "SSL_CERT_FILE": str(proxy.certificate),
        "RCLONE_CONFIG_DRIME_TYPE": "drime",
        "RCLONE_CONFIG_DRIME_ACCESS_TOKEN": simulator.token,
        "RCLONE_DRIME_UPLOAD_CUTOFF": "5Mi",
        "RCLONE_DRIME_CHUNK_SIZE": "5Mi",
    }
    yield lambda *arguments: run("rclone", *arguments, environment=environment)
    proxy.close()


def test_rclone_copies_a_tree_there_and_back(rclone, simulator: Simulator, tmp_path, tree):
    rclone("sync", tree, "drime:bkt")
    rclone("check", "--download", tree, "drime:bkt")
    assert simulator.counters()["multipart complete"] == 1
    rclone("sync", "drime:bkt", tmp_path / "back")
    assert_same_tree(tmp_path / "back", tree)


def test_rclone_reads_ranges_overwrites_moves_and_deletes(rclone, simulator, tmp_path):
    text = "".join(f"{number:04}\n" for number in range(1000))
    old, new = tmp_path / "old", write(tmp_path / "new", 6000, 2)
    old.write_text(text)
    rclone("copyto", old, "drime:bkt/a/file")
    assert rclone("cat", "--offset", "100", "--count", "50", "drime:bkt/a/file") == text[100:150]
    ranged = [record for record in simulator.log() if "range" in record["headers"]]
    assert [record["status"] for record in ranged] == [206]
    rclone("copyto", "--ignore-times", new, "drime:bkt/a/file")
    assert rclone("lsf", "--format", "ps", "drime:bkt/a").split() == ["file;6000"]
    rclone("moveto", "drime:bkt/a/file", "drime:bkt/b/moved")
    rclone("copyto", "drime:bkt/b/moved", "drime:bkt/b/copied")
    assert rclone("lsf", "-R", "--files-only", "drime:bkt").split() == ["b/copied", "b/moved"]
    rclone("copyto", "drime:bkt/b/copied", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == new.read_bytes()
    rclone("deletefile", "drime:bkt/b/copied")
    rclone("purge", "drime:bkt/b")
    assert rclone("lsf", "-R", "--files-only", "drime:bkt").split() == []
    with_token = [record for record in simulator.log() if record["authorization"]]
    assert {record["origin"] for record in with_token} == {"api"}

"""restic and rclone over the Drime plugin, while the simulated service does what the real one has been seen to do.

Faults come in cycles, so that each kind of call is hit again and again. In the end the service is calm: nothing is
lost, nothing is there twice, and all bytes are those that were sent.
"""

import hashlib
import re
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ACCESS_KEY, REGION, SECRET_KEY, TREE, assert_same_tree, noise, s3_client, start_gateway, stop
from drime_sim import Simulator, start_simulator
from pydrime.api import DrimeClient

# What every kind of call gets now and then, for as long as the storm lasts.
STORM = (
    "POST /uploads=pass,pass,500,pass,after-502,pass,reset-before,pass,pass,reset-after,pass,html,pass,520,pass,429*",
    "GET /drive=pass,pass,pass,503,pass,html,pass,pass,reset-after,pass,pass,pass,429*",
    "GET /file-entries=pass,pass,500,pass,reset-before,pass,pass,reset-after*",
    "POST /folders=pass,reset-after,pass,503,pass,pass,after-500*",
    "POST /file-entries/delete=pass,500,pass,after-503,pass,reset-after*",
    "POST /s3=pass,pass,pass,503,pass,pass,reset-after,pass,pass,pass,502,pass,after-500*",
    "storage:PUT /=pass,pass,500,pass,reset-before,pass,403,pass,pass,reset-after*",
)
BUCKET = "bucket-of-the-test"
PATIENCE = 120


@pytest.fixture
def simulator():
    running = start_simulator()
    yield running
    stop(running.process)


@pytest.fixture
def keys() -> str:
    """Further keys of the gateway's section."""
    return ""


@pytest.fixture
def gateway(simulator: Simulator, tmp_path, keys):
    """A gateway over the simulated account."""
    origin = simulator.api.removesuffix("/api/v1")
    backend = f"""
type = "drime"
api_key = "{simulator.token}"
base_url = "{simulator.api}"
root_folder = "backups/s3"
hosts = ["{origin}", "{simulator.storage}"]
{keys}
"""
    running = start_gateway(tmp_path, "--allow-bucket-creation", backend=backend)
    yield running
    stop(running.process)


@contextmanager
def storm(simulator: Simulator, *scripts: str):
    for script in scripts or STORM:
        simulator.fault(script)
    yield
    simulator.calm()


@contextmanager
def weather(simulator: Simulator, *flags: str):
    """Every now and then the service behaves in this way for a moment."""
    over = threading.Event()

    def change():
        while not over.wait(0.7):
            simulator.switch(*flags)
            over.wait(0.15)
            simulator.switch()

    changing = threading.Thread(target=change)
    changing.start()
    try:
        yield
    finally:
        over.set()
        changing.join()
        simulator.switch()


@pytest.fixture
def rclone(run, gateway):
    """rclone as users run it: with its own second chances, which a service with faults needs."""
    remote = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ACCESS_KEY_ID": ACCESS_KEY,
        "SECRET_ACCESS_KEY": SECRET_KEY,
        "ENDPOINT": gateway.endpoint,
        "REGION": REGION,
        "FORCE_PATH_STYLE": "true",
    }
    environment = {f"RCLONE_CONFIG_REMOTE_{name}": value for name, value in remote.items()}
    flags = ("--config", "", "--s3-chunk-size", "5Mi", "--s3-upload-cutoff", "5Mi")
    return lambda *arguments: run("rclone", *flags, *arguments, environment=environment)


@pytest.fixture
def restic(run, gateway):
    environment = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "RESTIC_REPOSITORY": f"s3:{gateway.endpoint}/{BUCKET}/restic",
        "RESTIC_PASSWORD": "secret",
    }
    return lambda *arguments: run("restic", *arguments, environment=environment)


def assert_tidy(simulator: Simulator, gateway) -> None:
    """Each key is one file, each file a key, no upload is left open, and each ETag is that of the bytes."""
    s3 = s3_client(gateway)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    objects = {entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", [])}
    assert objects
    for key, etag in objects.items():
        found = s3.get_object(Bucket=BUCKET, Key=key)
        body = found["Body"].read()
        assert found["ETag"].strip('"') == etag
        if re.fullmatch("[0-9a-f]{32}", etag):
            assert hashlib.md5(body).hexdigest() == etag, key
        else:
            assert re.fullmatch("[0-9a-f]{32}-[0-9]+", etag), f"{key}: {etag}"
    deadline = time.monotonic() + PATIENCE
    while True:
        files = simulator.files()
        tidy = len(files) == len(set(files)) == len(objects) and simulator.open_uploads() == 0
        if tidy or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert len(files) == len(set(files)), [path for path in files if files.count(path) > 1]
    assert len(files) == len(objects)
    assert simulator.open_uploads() == 0


def change(tree: Path) -> None:
    (tree / "plain.txt").write_bytes(noise(2000, 77))
    (tree / "sub/deep/er/file.bin").unlink()
    (tree / "big/twenty MiB.bin").write_bytes(noise(11_000_000, 78))
    for number in range(20):
        (tree / f"new {number}").write_bytes(noise(100 * number, 100 + number))


def backup_and_restore(restic, tree, tmp_path) -> None:
    restic("init")
    restic("backup", tree)
    change(tree)
    restic("backup", tree)
    restic("check", "--read-data")
    restic("forget", "--keep-last", 1, "--prune", "--max-unused", "0")
    restic("restore", "latest", "--target", tmp_path / "stormy")
    assert_same_tree(tmp_path / "stormy" / tree.relative_to("/"), tree)


def test_restic_survives_a_storm(restic, simulator, gateway, tree, tmp_path):
    with storm(simulator):
        backup_and_restore(restic, tree, tmp_path)
    restic("check", "--read-data")
    restic("restore", "latest", "--target", tmp_path / "calm")
    assert_same_tree(tmp_path / "calm" / tree.relative_to("/"), tree)
    assert_tidy(simulator, gateway)


def sync_and_check(rclone, tree) -> None:
    rclone("sync", "tree", f"remote:{BUCKET}")
    rclone("check", "--download", "tree", f"remote:{BUCKET}")
    change(tree)
    rclone("sync", "tree", f"remote:{BUCKET}")
    rclone("check", "tree", f"remote:{BUCKET}")


def assert_synced(rclone, simulator, gateway, tree, tmp_path) -> None:
    rclone("check", "--download", "tree", f"remote:{BUCKET}")
    # What could not be deleted in bad weather goes later.
    assert_tidy(simulator, gateway)
    before = simulator.counters()
    rclone("sync", "tree", f"remote:{BUCKET}")
    after = simulator.counters()
    assert [after.get(kind, 0) - before.get(kind, 0) for kind in ("upload", "s3 entries", "delete")] == [0, 0, 0]
    rclone("sync", f"remote:{BUCKET}", "back")
    assert_same_tree(tmp_path / "back", tree)
    assert_tidy(simulator, gateway)


def test_rclone_survives_a_storm(rclone, simulator, gateway, tree, tmp_path):
    with storm(simulator):
        sync_and_check(rclone, tree)
    assert_synced(rclone, simulator, gateway, tree, tmp_path)


def test_both_survive_answers_that_tell_a_wrong_size_or_no_owner(rclone, simulator, gateway, tree, tmp_path):
    with weather(simulator, "--upload-answer", "wrong-size"):
        sync_and_check(rclone, tree)
    with weather(simulator, "--upload-answer", "empty-users"):
        (tree / "plain.txt").write_bytes(noise(3000, 80))
        rclone("sync", "tree", f"remote:{BUCKET}")
    assert_synced(rclone, simulator, gateway, tree, tmp_path)


LAG = ("--create-lag", "700", "--delete-lag", "700", "--rename-lag", "700")


def test_rclone_does_not_notice_that_listings_lag_behind(rclone, simulator, gateway, tree, tmp_path):
    simulator.switch(*LAG)
    sync_and_check(rclone, tree)
    assert_synced(rclone, simulator, gateway, tree, tmp_path)


def test_restic_does_not_notice_that_listings_lag_behind(restic, simulator, gateway, tree, tmp_path):
    simulator.switch(*LAG)
    backup_and_restore(restic, tree, tmp_path)
    assert_tidy(simulator, gateway)


def test_answers_that_are_lost_while_listings_lag_behind_lose_nothing(rclone, simulator, gateway, tree, tmp_path):
    simulator.switch(*LAG)
    with storm(simulator, "POST /uploads=reset-after,pass,pass,after-502,pass*", "POST /s3/entries=reset-after,pass*"):
        sync_and_check(rclone, tree)
    assert_synced(rclone, simulator, gateway, tree, tmp_path)


@pytest.fixture
def twins(simulator, tmp_path, monkeypatch):
    """Three files of each name, which another program has put there."""
    monkeypatch.setenv("DRIME_API_URL", simulator.api)
    client = DrimeClient(api_key=simulator.token, api_url=simulator.api, retry_delay=0.01)
    folder = None
    for name in ("backups", "s3", BUCKET):
        folder = client.create_folder(name, parent_id=folder)["folder"]["id"]
    for name in ("plain.txt", "one byte", "of nobody"):
        for seed in range(3):
            copy = tmp_path / f"twice/{seed}/{name}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(noise(50, seed))
            client.upload_file_simple(copy, parent_id=folder)
    client.close()


@pytest.mark.usefixtures("twins")  # before the gateway starts
def test_files_that_are_there_twice_are_there_once_after_a_sync(rclone, simulator, gateway, tree, tmp_path):
    assert len(simulator.files()) == 9
    with storm(simulator):
        sync_and_check(rclone, tree)
    assert_synced(rclone, simulator, gateway, tree, tmp_path)
    assert len(simulator.files()) == len(TREE) - 1 + 20


FOLDERS = 12
FILES = 30


@pytest.fixture
def forest(tmp_path) -> Path:
    """Some hundred files in folders."""
    root = tmp_path / "forest"
    for folder in range(FOLDERS):
        for number in range(FILES):
            path = root / f"folder {folder}" / f"file {number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(noise(number * 10, number))
    return root


def asked(simulator: Simulator, work) -> dict[str, int]:
    """The API calls that a step costs, by kind."""
    before = simulator.counters()
    work()
    after = simulator.counters()
    counts = {kind: after[kind] - before.get(kind, 0) for kind in after if not kind.startswith("storage ")}
    return {kind: count for kind, count in counts.items() if count}


def settle(simulator: Simulator, rclone) -> None:
    """Waits until every object has its text, and everything is indexed."""
    deadline = time.monotonic() + PATIENCE
    while True:
        costs = asked(simulator, lambda: (rclone("size", f"remote:{BUCKET}"), time.sleep(1.5)))
        if "change" not in costs and simulator.counters().get("change", 0) >= FOLDERS * FILES:
            return
        assert time.monotonic() < deadline, costs


def sync_again(rclone, simulator) -> dict[str, int]:
    return asked(simulator, lambda: rclone("sync", "forest", f"remote:{BUCKET}"))


@pytest.mark.parametrize("keys", ['max_age = "1 h"'])
def test_a_second_sync_of_an_unchanged_tree_costs_no_call_at_all(rclone, simulator, forest):
    began = time.monotonic()
    first = sync_again(rclone, simulator)
    assert first["upload"] == FOLDERS * FILES
    settle(simulator, rclone)
    assert sync_again(rclone, simulator) == {}
    assert asked(simulator, lambda: rclone("check", "forest", f"remote:{BUCKET}")) == {}
    # And a file more costs itself, and after a while a look at where its folder is.
    (forest / "folder 3/one more").write_bytes(b"more")
    costs = sync_again(rclone, simulator)
    costs.pop("change", None)
    # It is believed for a minute.
    if time.monotonic() - began > 50:
        assert costs.pop("list", 0) <= 2
    assert costs == {"upload": 1}


@pytest.mark.parametrize("keys", ["max_age = 4"])
def test_after_max_age_a_second_sync_costs_a_look_at_each_folder(rclone, simulator, forest):
    sync_again(rclone, simulator)
    settle(simulator, rclone)
    time.sleep(4.5)
    began = time.monotonic()
    costs = sync_again(rclone, simulator)
    looks = 1 + int((time.monotonic() - began) / 4)
    assert 0 < costs.pop("list") <= (FOLDERS + 1) * looks
    assert costs == {}

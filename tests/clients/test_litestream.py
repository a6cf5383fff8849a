"""Litestream: replicates a SQLite database while it is written, and restores it."""

import sqlite3
import subprocess
import time

import pytest
from conftest import ACCESS_KEY, REGION, SECRET_KEY, clean_environment, find_tool

SECONDS = 60


@pytest.fixture
def config(gateway, bucket, tmp_path):
    path = tmp_path / "litestream.yml"
    path.write_text(
        f"""access-key-id: {ACCESS_KEY}
secret-access-key: {SECRET_KEY}
dbs:
  - path: {tmp_path}/app.db
    replica:
      type: s3
      bucket: {bucket}
      path: replica of the test
      endpoint: {gateway.endpoint}
      region: {REGION}
      force-path-style: true
      sync-interval: 100ms
"""
    )
    return path


def rows(database) -> list:
    connection = sqlite3.connect(database)
    try:
        return connection.execute("SELECT id, body FROM entry ORDER BY id").fetchall()
    finally:
        connection.close()


def test_a_replicated_database_is_restored_with_every_row(run, config, tmp_path, s3, bucket):
    database = sqlite3.connect(tmp_path / "app.db")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, body BLOB)")
    database.commit()
    log = (tmp_path / "litestream.log").open("wb")
    replicate = subprocess.Popen(
        [find_tool("litestream"), "replicate", "-config", config],
        env=clean_environment(tmp_path / "home"),
        stdout=log,
        stderr=log,
    )
    try:
        for round in range(20):
            database.executemany("INSERT INTO entry (body) VALUES (?)", [(bytes([round]) * 3000,)] * 50)
            database.commit()
            time.sleep(0.05)
        deadline = time.monotonic() + SECONDS
        while not s3.list_objects_v2(Bucket=bucket).get("Contents"):
            assert time.monotonic() < deadline, "nothing was replicated"
            time.sleep(0.1)
    finally:
        # Its last act is to replicate what is left.
        replicate.terminate()
        replicate.wait(SECONDS)
        log.close()
        database.close()
    assert b'level=ERROR' not in (tmp_path / "litestream.log").read_bytes()
    run("litestream", "restore", "-config", config, "-o", tmp_path / "restored.db", tmp_path / "app.db")
    assert rows(tmp_path / "restored.db") == rows(tmp_path / "app.db")
    assert len(rows(tmp_path / "restored.db")) == 1000

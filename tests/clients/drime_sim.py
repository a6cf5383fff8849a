"""The simulator of the Drime API as a process, and a proxy that leads clients with a fixed address to it."""

import json
import os
import selectors
import socket
import ssl
import subprocess
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

DRIME_HOST = "app.drime.cloud"
SECONDS = 20


@dataclass
class Simulator:
    """A running simulator."""

    api: str
    storage: str
    control: str
    token: str
    process: subprocess.Popen

    def counters(self) -> dict[str, int]:
        """How many requests of each kind there were."""
        return json.load(self._open("/counters"))

    def log(self) -> list[dict]:
        """The requests, in the order in which they were answered."""
        return json.load(self._open("/log"))

    def fault(self, script: str) -> None:
        """Adds a script of faults."""
        self._open("/fault", script.encode())

    def calm(self) -> None:
        """Forgets the faults that were not used up."""
        self._open("/calm", b"")

    def switch(self, *flags: str) -> None:
        """Behaves from now on as if it had been started with these flags."""
        self._open("/switch", " ".join(flags).encode())

    def files(self) -> list[str]:
        """Paths of all files, in the order of the alphabet; one twice if there are two."""
        return sorted(entry["path"] for entry in json.load(self._open("/entries")) if not entry["folder"])

    def folder(self, path: str) -> int:
        """The id of a folder."""
        return next(entry["id"] for entry in json.load(self._open("/entries")) if entry["path"] == path)

    def open_uploads(self) -> int:
        """Uploads in parts that are neither completed nor aborted."""
        return json.load(self._open("/uploads"))

    def _open(self, path: str, data: bytes | None = None):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(self.control + path, data, SECONDS)


def start_simulator(*flags: str) -> Simulator:
    """Starts the simulator that was built beside the program under test."""
    binary = Path(os.environ.get("PYS3LOCAL_BIN", "")).parent / "drime-sim"
    if not os.access(binary, os.X_OK):
        pytest.fail(f"{binary} is not there: cargo build --release -p pys3local-drime-sim")
    process = subprocess.Popen([binary, *flags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    told: dict[str, str] = {}
    printed = b""
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while "Workspaces" not in told and ready.select(SECONDS):
            piece = os.read(process.stdout.fileno(), 4096)
            if not piece:
                break
            printed += piece
            lines = [line.decode() for line in printed.splitlines(keepends=True) if line.endswith(b"\n")]
            told = dict(line.strip().split(": ", 1) for line in lines)
    if "Workspaces" not in told:
        process.kill()
        process.wait()
        pytest.fail("the simulator did not start")
    return Simulator(told["API"], told["Storage"], told["Control"], told["Token"], process)


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A throwaway certificate of the service's name, and its key."""
    certificate, key = directory / "drime.pem", directory / "drime.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={DRIME_HOST}", "-addext", f"subjectAltName=DNS:{DRIME_HOST}"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


class Proxy:
    """An HTTPS proxy for the service's name alone: it takes TLS off and passes the bytes to the simulator."""

    def __init__(self, simulator: Simulator, directory: Path):
        address = simulator.api.removeprefix("http://").split("/")[0]
        host, port = address.split(":")
        self.target = (host, int(port))
        self.certificate, key = make_certificate(directory)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    piece = client.recv(1)
                    if not piece:
                        return
                    request += piece
                if not request.startswith(f"CONNECT {DRIME_HOST}:443 ".encode()):
                    client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                    return
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                with self.tls.wrap_socket(client, server_side=True) as inner:
                    self._relay(inner)
        except OSError:
            # The client or the simulator has gone: that is the end of this connection.
            return

    def _relay(self, client: ssl.SSLSocket) -> None:
        with socket.create_connection(self.target) as server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    piece = key.fileobj.recv(65536)
                    # TLS may hold more than the socket shows.
                    while isinstance(key.fileobj, ssl.SSLSocket) and key.fileobj.pending():
                        piece += key.fileobj.recv(65536)
                    if not piece:
                        return
                    key.data.sendall(piece)

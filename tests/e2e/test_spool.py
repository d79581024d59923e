"""Limits on what a worker keeps for clients, and on how many clients it has."""

from __future__ import annotations

import socket
from pathlib import Path

from corn_testkit.apps.spool import PIECE, PIECES
from corn_testkit.client import parse, read_all
from corn_testkit.descriptors import open_files
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server
from corn_testkit.waiting import wait_for

WHOLE = len(PIECE) * PIECES


def request_long(server: Server, mark: Path) -> socket.socket:
    """Connect a client that asks for the long response and does not read any of it."""
    client = socket.socket()
    client.settimeout(30)
    # Small enough that most of the response must wait at the server.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    client.connect(("127.0.0.1", server.address.port))
    client.sendall(f"GET /?{mark} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def test_the_application_does_not_wait_for_its_client(serve: Serve, tmp_path: Path) -> None:
    server, mark = serve("spool:app"), tmp_path / "mark"
    with request_long(server, mark) as client:
        wait_for(mark.exists, "the application to be done")
        assert server.get("/small") == "small"
        assert len(parse(read_all(client)).body) == WHOLE


def test_long_responses_are_kept_in_unnamed_files(serve: Serve, tmp_path: Path) -> None:
    spool, mark = tmp_path / "spool", tmp_path / "mark"
    spool.mkdir()
    config = tmp_path / "conf.py"
    config.write_text(f"tmp_upload_dir = {str(spool)!r}\n")
    server = serve("-c", str(config), "spool:app")
    (worker,) = server.wait_for_workers(1)
    with request_long(server, mark) as client:
        wait_for(mark.exists, "the application to be done")
        kept = [name for name in open_files(worker).values() if name.startswith(str(spool))]
        assert len(kept) == 1
        assert list(spool.iterdir()) == []
        assert len(parse(read_all(client)).body) == WHOLE
    wait_for(
        lambda: not [name for name in open_files(worker).values() if name.startswith(str(spool))],
        "the file to be closed",
    )


def test_a_full_spool_makes_the_application_wait(serve: Serve, tmp_path: Path) -> None:
    server, mark = serve("--limit-response-spool=0", "spool:app"), tmp_path / "mark"
    with request_long(server, mark) as client, server.address.connect() as other:
        # Another request is not answered as long as the application waits.
        head = client.recv(100)
        other.sendall(b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert not mark.exists()
        assert len(parse(head + read_all(client)).body) == WHOLE
        assert mark.read_text() == "all"
        assert parse(read_all(other)).body == b"small"


def test_a_client_that_never_reads_is_given_up(serve: Serve, tmp_path: Path) -> None:
    server = serve("--limit-response-spool=0", "--write-timeout=1", "--timeout=2", "spool:app")
    (worker,) = server.wait_for_workers(1)
    mark = tmp_path / "mark"
    with request_long(server, mark):
        # It exists before its text is written.
        wait_for(
            lambda: mark.exists() and mark.read_text() == "broken off",
            "the application to be broken off",
        )
        assert server.get("/small") == "small"
    # It was held up by a client and not stuck, so it is still the same.
    assert server.workers() == [worker]

def test_slow_request_is_logged(serve):
    server = serve("--slow-request=0", "probe:app")
    assert server.get("/") == "hello"
    server.wait_for_log(r"GET / took \d\.\d{3} seconds")
    server.stop()


def test_request_that_still_runs_is_logged(serve, gate):
    server = serve("--slow-request=0.1", "probe:app")
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        server.wait_for_log(r"GET /\S+ still runs in worker \d+")
        gate.open()
        server.wait_for_log(r"GET /\S+ took \d\.\d{3} seconds")
    server.stop()


def test_off_is_off(serve):
    server = serve("probe:app")
    assert server.get("/") == "hello"
    server.stop()
    assert "took" not in server.log

"""TLS as an operator sets it up: certificates of clients, renewal, the hook, and mistakes."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from signal import SIGHUP, SIGKILL

import pytest

from corn_testkit.client import get, parse, receive_until
from corn_testkit.fixtures import Serve
from corn_testkit.server import APPS, Server, run
from corn_testkit.tls import PASSWORD, Authority, Certificate, secured
from corn_testkit.waiting import wait_for
from tests.e2e.secure_client import ask, fetch

OPTIONAL, REQUIRED = "--cert-reqs=1", "--cert-reqs=2"


# -- certificates of clients ---------------------------------------------------------------


@pytest.fixture
def alice(authority: Authority) -> Certificate:
    return authority.issue("alice@example.com", common_name="alice, O=corn")


def test_client_with_a_certificate(
    serve: Serve, authority: Authority, certificate: Certificate, alice: Certificate
) -> None:
    server = serve(
        f"--certfile={certificate.both}", f"--ca-certs={authority.file}", REQUIRED, "secure:app"
    )
    told = ask(server, authority.context(alice))
    assert told["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert told["SSL_CLIENT_M_SERIAL"] == alice.serial
    assert told["SSL_CLIENT_S_DN"].startswith(r"CN=alice\, O=corn,")
    assert "trustme" in told["SSL_CLIENT_I_DN"]
    leaf = Path(alice.certfile).read_text().partition("-----END")[0]
    assert told["SSL_CLIENT_CERT"].partition("-----END")[0] == leaf
    assert told["corn.peercert"]["subjectAltName"] == [["email", "alice@example.com"]]


def test_client_that_has_to_have_one(
    serve: Serve, authority: Authority, certificate: Certificate, context: ssl.SSLContext
) -> None:
    server = serve(
        f"--certfile={certificate.both}", f"--ca-certs={authority.file}", REQUIRED, "secure:app"
    )
    # In TLS 1.3 the client has done its part before the server looks at the certificate.
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate required"):
        fetch(server, context, get("/"))
    server.wait_for_log("TLS handshake with ip=127.0.0.1 failed: peer did not return a certificate")


def test_client_that_may_have_one(
    serve: Serve,
    authority: Authority,
    certificate: Certificate,
    context: ssl.SSLContext,
    alice: Certificate,
) -> None:
    server = serve(
        f"--certfile={certificate.both}", f"--ca-certs={authority.file}", OPTIONAL, "secure:app"
    )
    without = ask(server, context)
    assert without["SSL_CLIENT_VERIFY"] == "NONE"
    assert not {"SSL_CLIENT_CERT", "SSL_CLIENT_S_DN", "corn.peercert"} & without.keys()
    assert ask(server, authority.context(alice))["SSL_CLIENT_M_SERIAL"] == alice.serial


@pytest.mark.parametrize("mode", [OPTIONAL, REQUIRED])
def test_certificate_of_somebody_else(
    serve: Serve, authority: Authority, certificate: Certificate, tmp_path: Path, mode: str
) -> None:
    server = serve(
        f"--certfile={certificate.both}", f"--ca-certs={authority.file}", mode, "secure:app"
    )
    stranger = Authority(tmp_path).issue("mallory@example.com")
    with pytest.raises(ssl.SSLError, match=r"(?i)unknown ca"):
        fetch(server, authority.context(stranger), get("/"))
    server.wait_for_log("TLS handshake with ip=127.0.0.1 failed: .*certificate")


def test_session_is_resumed_by_another_worker_which_knows_the_client(
    serve: Serve, authority: Authority, certificate: Certificate, alice: Certificate
) -> None:
    flags = [f"--certfile={certificate.both}", f"--ca-certs={authority.file}", REQUIRED]
    server = serve(*flags, "secure:app")
    (worker,) = server.wait_for_workers(1)
    context = authority.context(alice)
    with secured(server.address.connect(), context) as client:
        client.sendall(get("/"))
        receive_until(client, b"}")
        session = client.session
    os.kill(worker, SIGKILL)
    with secured(server.address.connect(), context, session) as again:
        assert again.session_reused
        again.sendall(get("/"))
        reply = receive_until(again, b"}")
    assert f'"pid": {worker}'.encode() not in reply
    assert alice.serial.encode() in reply


# -- renewal -------------------------------------------------------------------------------


def serial(server: Server, context: ssl.SSLContext) -> str:
    """Return the serial number of the certificate that the server shows."""
    with secured(server.address.connect(), context) as client:
        shown = client.getpeercert()
        assert shown
        return str(shown["serialNumber"])


def copy(certificate: Certificate, to: Path) -> None:
    """Replace a file as tools for renewal do, at once."""
    new = to.with_suffix(".new")
    new.write_bytes(Path(certificate.both).read_bytes())
    new.rename(to)


def test_renewed_certificate_comes_with_a_reload(
    serve: Serve, authority: Authority, context: ssl.SSLContext, tmp_path: Path
) -> None:
    first, second = authority.issue(), authority.issue()
    file = tmp_path / "server.pem"
    copy(first, file)
    server = serve(f"--certfile={file}", "-k", "keepalive.KeepAliveWorker", "keepalive:app")
    assert serial(server, context) == first.serial
    copy(second, file)
    with secured(server.address.connect(), context) as client:
        # The file alone changes nothing.
        assert client.getpeercert()["serialNumber"] == first.serial  # type: ignore[index]
        server.signal(SIGHUP)
        server.wait_for_log("Worker exiting")
        wait_for(lambda: serial(server, context) == second.serial, "the new certificate")
    server.stop()


def test_certificate_that_is_no_good_is_not_taken(
    serve: Serve, authority: Authority, context: ssl.SSLContext, tmp_path: Path
) -> None:
    first = authority.issue()
    file = tmp_path / "server.pem"
    copy(first, file)
    server = serve(f"--certfile={file}", "probe:app")
    file.write_text("half a certifi")
    server.signal(SIGHUP)
    server.wait_for_log("Reload failed; the server continues as it was")
    assert "there is no certificate in the file, in PEM form (flag --certfile)" in server.log
    assert serial(server, context) == first.serial
    # Nor does a worker that is started now need the file.
    (worker,) = server.workers()
    os.kill(worker, SIGKILL)
    wait_for(lambda: server.workers() not in ([], [worker]), "another worker")
    assert serial(server, context) == first.serial
    server.stop()


# -- the hook ------------------------------------------------------------------------------


def configured(directory: Path, text: str) -> str:
    """Write a config file and return its path."""
    file = directory / "corn.conf.py"
    file.write_text(text)
    return str(file)


def test_hook_changes_the_default_context(
    serve: Serve, certificate: Certificate, authority: Authority, tmp_path: Path
) -> None:
    text = f"""
import ssl
certfile = {certificate.both!r}
def ssl_context(conf, default_ssl_context_factory):
    context = default_ssl_context_factory()
    assert conf.certfile == certfile
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context
"""
    server = serve("-c", configured(tmp_path, text), "secure:app")
    context = authority.context()
    assert ask(server, context)["SSL_PROTOCOL"] == "TLSv1.3"
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        ask(server, context)
    server.wait_for_log("TLS handshake with ip=127.0.0.1 failed: unsupported protocol")


def test_hook_makes_its_own_context(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext, tmp_path: Path
) -> None:
    text = f"""
import ssl
certfile, keyfile = {certificate.certfile!r}, {certificate.encrypted!r}
def ssl_context(conf, default_ssl_context_factory):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(conf.certfile, conf.keyfile, password={PASSWORD!r})
    return context
"""
    server = serve("-c", configured(tmp_path, text), "secure:app")
    assert ask(server, context)["wsgi.url_scheme"] == "https"


def test_hook_that_fails_keeps_the_server_from_starting(
    serve: Serve, certificate: Certificate, tmp_path: Path
) -> None:
    text = f"""
certfile = {certificate.both!r}
def ssl_context(conf, default_ssl_context_factory):
    raise RuntimeError("no vault")
"""
    server = serve("-c", configured(tmp_path, text), "secure:app", wait=False)
    server.tracebacks_expected = True
    server.wait(status=3)
    assert "hook ssl_context of plugin config-file failed: RuntimeError: no vault" in server.log


# -- settings ------------------------------------------------------------------------------


def test_password_of_the_key(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext, tmp_path: Path
) -> None:
    text = f"""
certfile, keyfile = {certificate.certfile!r}, {certificate.encrypted!r}
keyfile_password = {PASSWORD!r}
"""
    server = serve("-c", configured(tmp_path, text), "--log-level=debug", "secure:app")
    assert ask(server, context)["HTTPS"] == "on"
    assert "keyfile_password = <hidden str>" in server.log
    assert PASSWORD not in server.log


@pytest.mark.parametrize("command", [(), ("--check-config",), ("--print-config",)])
def test_password_that_is_not_text_is_not_shown(
    serve: Serve, tmp_path: Path, command: tuple[str, ...]
) -> None:
    path = configured(tmp_path, f"keyfile_password = {PASSWORD.encode()!r}")
    server = serve(*command, "-c", path, "secure:app", wait=False)
    server.wait(status=1)
    assert "expected text of 1 to 1024 bytes, got <hidden bytes> (" in server.log
    assert PASSWORD not in server.log


def test_paths_are_relative_to_chdir(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    directory, name = Path(certificate.both).parent, Path(certificate.both).name
    server = serve(
        f"--chdir={directory}", f"--pythonpath={APPS}", f"--certfile={name}", "probe:app"
    )
    assert parse(fetch(server, context, get("/"))).text == "hello"


def test_settings_of_old_configurations(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    server = serve(
        f"--certfile={certificate.both}",
        "--ssl-version=3",
        "--ciphers=TLSv1",
        "--suppress-ragged-eofs",
        "--do-handshake-on-connect",
        "secure:app",
    )
    assert ask(server, context)["SSL_PROTOCOL"] == "TLSv1.3"
    server.wait_for_log(r"WARNING\] ssl_version is ignored: .* \(flag --ssl-version\)")
    assert server.log.count("WARNING") == 1


def test_settings_without_a_certificate(serve: Serve) -> None:
    server = serve("--cert-reqs=2", "probe:app")
    server.wait_for_log(r"WARNING\] cert_reqs has no effect without certfile \(flag --cert-reqs\)")
    assert server.get() == "hello"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--certfile=none.pem"], "certfile 'none.pem': it cannot be read: No such file"),
        (["--keyfile=probe.py"], "keyfile 'probe.py': a key needs a certificate; set certfile too"),
        (["--certfile=probe.py"], "certfile 'probe.py': there is no certificate in the file"),
        (["--cert-reqs=3"], "cert_reqs: expected 0 or none, 1 or optional, 2 or required"),
        (["--keyfile-password=x"], "there is no flag --keyfile-password"),
    ],
)
def test_mistakes_end_the_start_before_anything_is_bound(flags: list[str], message: str) -> None:
    done = run("--bind=127.0.0.1:0", *flags, "probe:app")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {message}")


def test_encrypted_key_without_its_password_asks_nobody(certificate: Certificate) -> None:
    flags = [f"--certfile={certificate.certfile}", f"--keyfile={certificate.encrypted}"]
    done = run("--bind=127.0.0.1:0", *flags, "probe:app")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "the key is encrypted, and keyfile_password is not set" in line
    assert done.stdout == ""

"""The settings of TLS, and the context that is made of them."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pluggy
import pytest

from corn_core import hookimpl, hookspecs
from corn_core.config import DEFAULT, Config
from corn_core.errors import ConfigError, HookFailed, SettingError
from corn_core.extensions.hooks import Hooks
from corn_core.net.context import make_context
from corn_core.net.tls import SETTINGS, notes, prepare
from corn_testkit.tls import PASSWORD, Authority, Certificate


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    return authority.issue()


def config(**raw: object) -> Config:
    settings = {setting.name: setting for setting in SETTINGS}
    defaults = {name: setting.default for name, setting in settings.items()}
    return Config(settings, defaults, dict.fromkeys(settings, DEFAULT)).replace(**raw)


def hooks(implementation: Callable[..., Any] | None = None) -> Hooks:
    manager = pluggy.PluginManager("corn")
    manager.add_hookspecs(hookspecs)
    if implementation is not None:
        plugin = type("Plugin", (), {"ssl_context": staticmethod(hookimpl(implementation))})
        manager.register(plugin, "test")
    return Hooks(manager)


# -- values ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (0, 0),
        ("1", 1),
        (ssl.CERT_REQUIRED, 2),
        ("none", 0),
        ("CERT_OPTIONAL", 1),
        (" required ", 2),
    ],
)
def test_cert_reqs(raw: object, value: int) -> None:
    parsed = config(cert_reqs=raw).cert_reqs
    assert (parsed, type(parsed)) == (value, int)


@pytest.mark.parametrize("raw", [3, -1, "always", "3", True, None])
def test_cert_reqs_that_mean_nothing(raw: object) -> None:
    with pytest.raises(SettingError, match="cert_reqs: expected 0 or none, 1 or optional, 2"):
        config(cert_reqs=raw)


@pytest.mark.parametrize(
    ("raw", "value"), [(3, 3), (ssl.PROTOCOL_TLS_SERVER, 17), ("TLSv1_2", "TLSv1_2"), (None, None)]
)
def test_ssl_version_is_accepted(raw: object, value: object) -> None:
    assert config(ssl_version=raw).ssl_version == value


@pytest.mark.parametrize("raw", [1.2, True, ["TLSv1_2"]])
def test_ssl_version_that_names_nothing(raw: object) -> None:
    with pytest.raises(SettingError, match="ssl_version: expected the name or the number"):
        config(ssl_version=raw)


def test_password_is_not_stripped() -> None:
    assert config(keyfile_password=" secret ").keyfile_password == " secret "


@pytest.mark.parametrize("raw", [b"bytes", 5, "x" * 1025])
def test_password_that_openssl_cannot_take(raw: object) -> None:
    with pytest.raises(SettingError, match="keyfile_password: expected text of 1 to 1024 bytes"):
        config(keyfile_password=raw)


# -- what an operator is told --------------------------------------------------------------


def test_nothing_to_tell(certificate: Certificate) -> None:
    assert notes(config()) == []
    # As in a file that lists the defaults of all settings.
    assert notes(config(cert_reqs=0, suppress_ragged_eofs=True, ciphers=None)) == []
    assert notes(config(certfile=certificate.both, ciphers="HIGH")) == []


def test_settings_without_a_certificate_do_nothing() -> None:
    said = notes(config(ca_certs="x.pem", ciphers="HIGH", ssl_version=None))
    assert [note.split(" (")[0] for note in said] == [
        "ca_certs has no effect without certfile",
        "ciphers has no effect without certfile",
    ]


def test_ssl_version_is_ignored(certificate: Certificate) -> None:
    (note,) = notes(config(certfile=certificate.both, ssl_version=3))
    assert note.startswith("ssl_version is ignored: corn speaks TLS 1.2 and newer")
    assert note.endswith("(set in code)")


# -- the context ---------------------------------------------------------------------------


def test_defaults_of_the_context(certificate: Certificate) -> None:
    context = make_context(config(certfile=certificate.both))
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.verify_mode is ssl.CERT_NONE


def test_key_in_a_file_of_its_own(certificate: Certificate) -> None:
    assert make_context(config(certfile=certificate.certfile, keyfile=certificate.keyfile))


def test_encrypted_key(certificate: Certificate) -> None:
    made = config(
        certfile=certificate.certfile, keyfile=certificate.encrypted, keyfile_password=PASSWORD
    )
    assert make_context(made)


def test_ciphers(certificate: Certificate) -> None:
    context = make_context(config(certfile=certificate.both, ciphers="ECDHE+CHACHA20"))
    names = [cipher["name"] for cipher in context.get_ciphers()]
    older = [name for name in names if not name.startswith("TLS_")]
    assert older
    assert all("CHACHA20" in name for name in older)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_clients_certificates(certificate: Certificate, authority: Authority, mode: int) -> None:
    made = config(certfile=certificate.both, ca_certs=authority.file, cert_reqs=mode)
    context = make_context(made)
    assert context.verify_mode == mode
    assert len(context.get_ca_certs()) == 1


Raw = Callable[[Certificate, Authority, Path], dict[str, object]]

REFUSED: dict[str, tuple[Raw, str]] = {
    "no file": (
        lambda cert, ca, tmp: {"certfile": str(tmp / "none.pem")},
        r"certfile '.*none\.pem': it cannot be read: No such file or directory",
    ),
    "a directory": (
        lambda cert, ca, tmp: {"certfile": cert.both, "ca_certs": str(tmp)},
        "ca_certs '.*': it cannot be read: Is a directory",
    ),
    "a key alone": (
        lambda cert, ca, tmp: {"keyfile": cert.keyfile},
        "keyfile '.*': a key needs a certificate; set certfile too",
    ),
    "a certificate alone": (
        lambda cert, ca, tmp: {"certfile": cert.certfile},
        "certfile '.*': there is no private key in the file, in PEM form, and keyfile is not set",
    ),
    "a key for a certificate": (
        lambda cert, ca, tmp: {"certfile": cert.keyfile, "keyfile": cert.keyfile},
        "certfile '.*': there is no certificate in the file",
    ),
    "a certificate for a key": (
        lambda cert, ca, tmp: {"certfile": cert.certfile, "keyfile": ca.file},
        r"keyfile '.*': there is no private key in the file, in PEM form \(",
    ),
    "another key": (
        lambda cert, ca, tmp: {"certfile": cert.certfile, "keyfile": ca.issue().keyfile},
        "keyfile '.*': the key does not belong to the certificate in '.*'",
    ),
    "no password": (
        lambda cert, ca, tmp: {"certfile": cert.certfile, "keyfile": cert.encrypted},
        "keyfile '.*': the key is encrypted, and keyfile_password is not set",
    ),
    "another password": (
        lambda cert, ca, tmp: {
            "certfile": cert.certfile,
            "keyfile": cert.encrypted,
            "keyfile_password": "wrong",
        },
        "keyfile '.*': the key cannot be decrypted with keyfile_password",
    ),
    "unknown ciphers": (
        lambda cert, ca, tmp: {"certfile": cert.both, "ciphers": "NONSENSE"},
        "ciphers 'NONSENSE': OpenSSL does not know such a cipher",
    ),
    "no authority to trust": (
        lambda cert, ca, tmp: {"certfile": cert.both, "cert_reqs": 1},
        "cert_reqs 1: client certificates cannot be verified unless ca_certs is set",
    ),
    "no authority in the file": (
        lambda cert, ca, tmp: {"certfile": cert.both, "ca_certs": cert.keyfile},
        "ca_certs '.*': there are no usable certificates in the file: ",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(certificate: Certificate, authority: Authority, tmp_path: Path, case: str) -> None:
    raw, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message) as caught:
        prepare(config(**raw(certificate, authority, tmp_path)), hooks())
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(")")


def test_damaged_certificate(certificate: Certificate, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.pem"
    damaged.write_text(Path(certificate.both).read_text().replace("M", "!"))
    with pytest.raises(ConfigError, match="certificate and key cannot be used: "):
        prepare(config(certfile=str(damaged)), hooks())


# -- the hook ------------------------------------------------------------------------------


def test_plain_http_has_no_tls() -> None:
    assert prepare(config(), hooks()) is None


def test_without_the_hook_all_workers_share_one_context(certificate: Certificate) -> None:
    tls = prepare(config(certfile=certificate.both), hooks())
    assert tls is not None
    assert tls.context(hooks()) is tls.context(hooks())


def test_the_hook_gets_configuration_and_factory(certificate: Certificate) -> None:
    given: list[Any] = []

    def ssl_context(config: Any, default_factory: Any) -> Any:
        given.append(config)
        return default_factory()

    calling = hooks(ssl_context)
    made = config(certfile=certificate.both)
    tls = prepare(made, calling)
    assert tls is not None
    assert given == [], "it is called in the worker, and only there"
    assert isinstance(tls.context(calling), ssl.SSLContext)
    assert given == [made]


def test_the_hook_may_leave_it_to_the_server(certificate: Certificate) -> None:
    calling = hooks(lambda config: None)
    tls = prepare(config(certfile=certificate.both), calling)
    assert tls is not None
    assert isinstance(tls.context(calling), ssl.SSLContext)


def test_with_the_hook_the_settings_need_not_do(certificate: Certificate) -> None:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    calling = hooks(lambda config: own)
    tls = prepare(config(certfile=certificate.certfile, keyfile=certificate.encrypted), calling)
    assert tls is not None
    assert tls.context(calling) is own


def test_with_the_hook_files_must_be_there_all_the_same() -> None:
    with pytest.raises(ConfigError, match=r"certfile 'none\.pem': it cannot be read"):
        prepare(config(certfile="none.pem"), hooks(lambda config: None))


def test_the_factory_says_what_is_wrong_when_the_hook_asks(certificate: Certificate) -> None:
    calling = hooks(lambda default_factory: default_factory())
    tls = prepare(config(certfile=certificate.certfile, keyfile=certificate.encrypted), calling)
    assert tls is not None
    with pytest.raises(ConfigError, match="the key is encrypted"):
        tls.context(calling)


def test_the_hook_must_return_a_context(certificate: Certificate) -> None:
    calling = hooks(lambda config: "TLSv1")
    tls = prepare(config(certfile=certificate.both), calling)
    assert tls is not None
    with pytest.raises(ConfigError, match=r"ssl_context returned 'TLSv1', not an ssl.SSLContext"):
        tls.context(calling)


def test_the_hook_that_fails(certificate: Certificate) -> None:
    def ssl_context(config: Any) -> Any:
        raise RuntimeError("no vault")

    tls = prepare(config(certfile=certificate.both), hooks(ssl_context))
    assert tls is not None
    with pytest.raises(HookFailed, match="no vault"):
        tls.context(hooks(ssl_context))

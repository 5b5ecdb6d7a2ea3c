"""What the settings of TLS must be: files that can be used, and addresses that say what is meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.certificates import Authority

from agentfield.config import read_config
from agentfield.process.channels import ClientTls, check_address, open_channel
from agentfield.process.flags import ConfigError
from agentfield.process.tls import TlsFiles
from agentfield_gateway.settings import read_settings

pytestmark = pytest.mark.unit


def test_a_server_takes_its_files_from_the_environment_too(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue()
    environment = {"AGENTFIELD_TLS_CERT": str(files.cert), "AGENTFIELD_TLS_KEY": str(files.key)}

    assert read_config([], environment).tls == files
    assert read_settings([], environment).gateway.tls == files
    assert read_config([], {}).tls is None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tls-cert={cert}"], "needs both"),
        (["--tls-key={key}"], "needs both"),
        (["--tls-client-ca={ca}"], "needs both"),
        (["--tls-cert={cert}", "--tls-key={cert}"], "are not a certificate"),
        (["--tls-cert={cert}", "--tls-key={other}"], "are not a certificate"),
        (["--tls-cert={none}", "--tls-key={key}"], "cannot be read"),
        (["--tls-cert={cert}", "--tls-key={key}", "--tls-client-ca={none}"], "cannot be read"),
        (["--tls-cert={cert}", "--tls-key={key}", "--tls-client-ca={key}"], "holds no certificate"),
        (
            ["--tls-cert={cert}", "--tls-key={key}", "--tls-client-ca={empty}"],
            "holds no certificate",
        ),
    ],
)
def test_files_that_cannot_be_used_are_refused_at_the_start(
    tmp_path: Path, flags: list[str], message: str
) -> None:
    authority = Authority(tmp_path)
    files: TlsFiles = authority.issue()
    paths = {
        "cert": files.cert,
        "key": files.key,
        "ca": authority.file,
        "other": authority.issue("other").key,
        "none": tmp_path / "none",
        "empty": tmp_path / "empty",
    }
    paths["empty"].touch()

    with pytest.raises(ConfigError, match=message):
        read_config([flag.format(**paths) for flag in flags], {})


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8180",
        "grpc://localhost:8180",
        "grpcs://[::1]:8180",
        "grpcs://a.b:1/",
        "10.0.0.1:8180,10.0.0.2:8180",
        "grpc://10.0.0.1:1,10.0.0.2:2,10.0.0.3:3",
    ],
)
def test_an_address_may_say_whether_it_is_tls(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "localhost",
        "https://a:1",
        "grpcs://a",
        "a b:1",
        "grpcs://",
        "a:1,b:1",
        "10.0.0.1:1,",
        "grpcs://10.0.0.1:1,10.0.0.2:1",
    ],
)
def test_another_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="grpcs://HOST:PORT for TLS"):
        check_address(address)


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        (ClientTls(ca="none.pem"), "none.pem cannot be read"),
        (ClientTls(cert="some.pem"), "needs its key"),
    ],
)
def test_a_client_s_files_that_cannot_be_used_are_told(tls: ClientTls, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_channel("grpcs://localhost:8180", options=(), tls=tls)

"""Where the service listens, and where it refuses to."""

import socket

import pytest

from pcap_analyzer.errors import UsageError
from pcap_analyzer.settings import Settings
from pcap_analyzer.store.engines import REQUESTS
from pcap_analyzer.web.server import GRACE_S, _listen, is_loopback, refuse_clear_text
from pcap_analyzer.web.upload import FINISH_S


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    "settings",
    [
        Settings(listen_host="127.0.0.1"),
        Settings(listen_host="0.0.0.0", public_url="https://captures.example"),
        Settings(listen_host="0.0.0.0", public_url="http://127.0.0.1:8000"),
        Settings(listen_host="0.0.0.0", insecure_http=True),
    ],
)
def test_what_is_safe_or_asked_for_is_served(settings: Settings) -> None:
    refuse_clear_text(settings)


def test_a_public_url_without_tls_is_no_way_out() -> None:
    with pytest.raises(UsageError, match="clear text"):
        refuse_clear_text(Settings(listen_host="0.0.0.0", public_url="http://captures.example"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_listening_socket_names_tcp_so_that_small_answers_are_not_held_back(host: str) -> None:
    with _listen(host, 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_an_address_of_another_machine_is_refused_with_a_sentence() -> None:
    with pytest.raises(UsageError, match=r"192\.0\.2\.1:8000 cannot be listened on"):
        _listen("192.0.2.1", 8000)


def test_who_waits_for_a_connection_when_the_service_is_stopped_is_answered() -> None:
    assert REQUESTS.pool_s + FINISH_S < GRACE_S

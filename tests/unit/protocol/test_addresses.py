import pytest

from secop_ophyd.protocol import NodeAddress, parse_address


@pytest.mark.parametrize(
    ("uri", "host", "port"),
    [
        ("localhost:5000", "localhost", 5000),
        ("localhost", "localhost", 10767),
        (" localhost:5000\n", "localhost", 5000),
        ("10.0.0.1:1", "10.0.0.1", 1),
        ("host_with_underscore.site:65535", "host_with_underscore.site", 65535),
        ("tcp://host:5000", "host", 5000),
        ("tcp://host:5000/", "host", 5000),
        ("secop://host", "host", 10767),
        ("[::1]:5000", "::1", 5000),
        ("[::1]", "::1", 10767),
        ("tcp://[fe80::1%eth0]:5000", "fe80::1%eth0", 5000),
        ("[::ffff:10.0.0.1]:5000", "::ffff:10.0.0.1", 5000),
        ("münchen.de:5000", "münchen.de", 5000),
    ],
)
def test_addresses(uri, host, port):
    assert parse_address(uri) == NodeAddress(host, port)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        " ",
        ":5000",
        "::1",
        "::1:5000",
        "[::1",
        "[]:5000",
        "[host]:5000",
        "[::1]5000",
        "host:",
        "host:port",
        "host:-1",
        "host:0",
        "host:65536",
        "host:100000",
        "host:1.5",
        "host:5000:5001",
        "host:\u0661",
        "host name:5000",
        "user@host:5000",
        "host:5000/path",
        "host:5000?x=1",
        "ws://host:5000",
        "serial:///dev/ttyUSB0",
        "http://host:5000",
        "://host:5000",
        "tcp://",
        "host\n:5000",
    ],
)
def test_no_addresses(uri):
    with pytest.raises(ValueError) as caught:
        parse_address(uri)
    assert repr(uri) in str(caught.value)
    assert "localhost:10767" in str(caught.value)


def test_the_scheme_is_named():
    with pytest.raises(ValueError, match="scheme 'ws' is unknown"):
        parse_address("ws://host:5000")


@pytest.mark.parametrize("uri", ["host:5000", "[::1]:5000", "[fe80::1%eth0]:1"])
def test_an_address_can_be_written_and_read_again(uri):
    address = parse_address(uri)
    assert str(address) == uri
    assert parse_address(str(address)) == address

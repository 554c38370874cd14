import pytest

from secop_ophyd.protocol import Identity, parse_identity


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            b"ISSE&SINE2020,SECoP,V2019-09-16,v1.0",
            Identity("ISSE&SINE2020", "V2019-09-16", "v1.0"),
        ),
        (
            b"ISSE&SINE2020,SECoP,V2019-09-16,v1.1\r",
            Identity("ISSE&SINE2020", "V2019-09-16", "v1.1"),
        ),
        (b"ISSE,SECoP,,v2.0", Identity("ISSE", "", "v2.0")),
        (b"ISSE,SECoP,2026-03-10,v2.0", Identity("ISSE", "2026-03-10", "v2.0")),
        (
            rb"SINE2020&ISSE,SECoP,V2018-11-07,v1.0\beta",
            Identity("SINE2020&ISSE", "V2018-11-07", r"v1.0\beta"),
        ),
        (b"ISSE,SECoP", Identity("ISSE", "", "")),
        (b"ISSE,SECoP,2026-03-10", Identity("ISSE", "2026-03-10", "")),
        (b"ISSE,SECoP,,v3.0,future", Identity("ISSE", "", "v3.0")),
        (b"ISSE\xff,SECoP,,v2.0", Identity("ISSE\ufffd", "", "v2.0")),
    ],
)
def test_identifications(line, expected):
    assert parse_identity(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\r",
        b"ISSE",
        b"ISSE,SCPI,,v1",
        b"ISSE, SECoP,,v1",
        b"ISSE,secop,,v1",
        b"LSCI,MODEL336,LSA1234/5678,1.0",
        b"HTTP/1.1 400 Bad Request",
        b"update m:value [1.0,{}]",
        b'log m:info "ISSE,SECoP,V2019-09-16,v1.0"',
        b'update m:idn ["ISSE,SECoP,,v2.0",{}]',
        b"SSH-2.0-OpenSSH_9.6",
        b"\xff\xfe\x00,SECoP",
    ],
)
def test_foreign_lines(line):
    assert parse_identity(line) is None

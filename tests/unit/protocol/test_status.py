import pytest

from secop_ophyd.protocol import (
    FINALIZING,
    StatusGroup,
    describe_status,
    is_busy,
    is_failure,
    is_prepared,
    is_preparing,
)


@pytest.mark.parametrize(
    ("code", "busy", "failure", "text"),
    [
        (-100, False, True, "-100"),
        (-1, False, True, "-1"),
        (0, False, True, "0 (DISABLED)"),
        (99, False, True, "99 (DISABLED)"),
        (100, False, False, "100 (IDLE)"),
        (130, False, False, "130 (IDLE)"),
        (199, False, False, "199 (IDLE)"),
        (200, False, False, "200 (WARN)"),
        (270, False, False, "270 (WARN)"),
        (299, False, False, "299 (WARN)"),
        (300, True, False, "300 (BUSY)"),
        (305, True, False, "305 (BUSY)"),
        (370, True, False, "370 (BUSY)"),
        (376, True, False, "376 (BUSY)"),
        (389, True, False, "389 (BUSY)"),
        (390, False, False, "390 (BUSY)"),
        (399, False, False, "399 (BUSY)"),
        (400, False, True, "400 (ERROR)"),
        (401, False, True, "401 (ERROR)"),
        (499, False, True, "499 (ERROR)"),
        (500, False, True, "500"),
        (10**30, False, True, str(10**30)),
    ],
)
def test_codes(code, busy, failure, text):
    assert is_busy(code) is busy
    assert is_failure(code) is failure
    assert describe_status(code) == text


def test_no_code_is_both():
    assert not any(is_busy(code) and is_failure(code) for code in range(-100, 700))


def test_constants():
    assert FINALIZING == 390
    assert [group.value for group in StatusGroup] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("codes", "preparing", "prepared"),
    [
        ((0, 50, 100, 130, 149, 160, 200, 300, 305, 350), False, False),
        ((360, 376, 390, 400, 450, 500, -150), False, False),
        ((310, 320, 340, 349), True, False),
        ((150, 159, 250), False, True),
    ],
)
def test_before_it_begins(codes, preparing, prepared):
    assert {is_preparing(code) for code in codes} == {preparing}
    assert {is_prepared(code) for code in codes} == {prepared}

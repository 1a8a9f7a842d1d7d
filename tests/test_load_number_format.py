from __future__ import annotations

import pytest

from rag.load.office.date_format import moment
from rag.load.office.number_format import formatter, general, is_date

SHOWN = [  # format, number, what a spreadsheet program shows
    ("General", 3.0, "3"),
    ("General", 0.1 + 0.2, "0.3"),
    ("General", 1 / 3, "0.3333333333"),
    ("General", 6.02e23, "6.02E+23"),
    ("General", 330_102_199_901_011.0, "330102199901011"),
    ("0", 2.5, "3"),
    ("0.00", 1.005, "1.01"),
    ("00000", 123, "00123"),
    ("#.##", 0.5, ".5"),
    ("0.0#", 1.5, "1.5"),
    (".00", 12.5, "12.50"),
    (".000", 0.5, ".500"),
    (".0%", 0.5, "50.0%"),
    ("$.00", 12.5, "$12.50"),
    ('0","', 5000, "5000,"),
    ("#,##0", 1e20, "100,000,000,000,000,000,000"),
    ("#,##0.00", 1_234_567.891, "1,234,567.89"),
    ('0.0,"K"', 12_345, "12.3K"),
    ("0%", 0.356, "36%"),
    ("0.00%", 0.35678, "35.68%"),
    ("0.00E+00", 12_345.678, "1.23E+04"),
    ("##0.0E+0", 45_000.75, "45.0E+3"),
    ("##0.0E+0", 0.123456, "123.5E-3"),
    ('0" pcs"', -0.25, "0 pcs"),
    ("[ss]", 0.123456, "10667"),
    ("# ?/?", 2.5, "2 1/2"),
    ("# ??/??", 0.3333, "1/3"),
    ("# ?/8", 1.25, "1 2/8"),
    ("# ?/4", 0.5, "2/4"),
    ("# ?/2", 0.5, "1/2"),
    ("# ??/16", 1.3, "1 5/16"),
    ("# ?/10", 1.25, "1 3/10"),
    ("# ?/10", 1.15, "1 2/10"),
    ("# ??/100", -2.07, "-2 7/100"),
    ('# ?/8" in"', 0.99, "1 in"),
    ("# ?/8", 0.01, "0"),
    ("?/8", 1.25, "10/8"),
    ("0 /5", 3, "3 /5"),
    ("000-0000", 5_551_234, "555-1234"),
    ("(000) 000-0000", 2_125_551_234, "(212) 555-1234"),
    ("#,##0_);(#,##0)", -1234, "(1,234)"),
    ('"¥"#,##0;[Red]-"¥"#,##0', -1234, "-¥1,234"),
    ("[$€-407] #,##0.00", 12.5, "€ 12.50"),
    ('_ "¥"* #,##0.00_ ;_ "¥"* -#,##0.00_ ;_ "¥"* "-"??_ ;_ @_ ', 1234.5, "¥1,234.50"),
    ("[>=1000]#,##0,k;0", 5300, "5k"),
    ("0;-0;;@", 0, ""),
    ('0" 件"', 5, "5 件"),
    ("General kg", 3.5, "3.5 kg"),
    ("yyyy-mm-dd", 45_000.5, "2023-03-15"),
    ('yyyy"年"m"月"d"日"', 45_000, "2023年3月15日"),
    ("d mmm yyyy", 45_123, "16 Jul 2023"),
    ("dddd", 45_123, "Sunday"),
    ("aaaa", 45_123, "星期日"),
    ("m/d/yy h:mm", 45_123.4567, "7/16/23 10:57"),
    ("h:mm AM/PM", 0.75, "6:00 PM"),
    ("上午/下午h:mm", 0.25, "上午6:00"),
    ("[h]:mm:ss", 1.5, "36:00:00"),
    ("mm:ss.0", 0.0012345, "01:46.7"),
    ("yyyy-mm-dd", -1, "-1"),
    ("yyyy-mm-dd", 0, "1900-01-00"),
    ("d mmm yyyy h:mm", 0.5, "0 Jan 1900 12:00"),
    ("h:mm", 0, "0:00"),
    ('ggge"年"m"月"d"日"', 45_413, "令和6年5月1日"),
    ('[$-411]gge"年"', 32_516, "平1年"),
    ("[$-411]ge.m.d", 32_515, "S64.1.7"),
    ("[$-411]gee.mm", 45_413, "R06.05"),
    ("0.0 kg", 70.5, "70.5 kg"),
]


@pytest.mark.parametrize(("code", "number", "shown"), SHOWN)
def test_a_number_is_shown_as_its_format_says(code: str, number: float, shown: str) -> None:
    assert formatter(code)(number) == shown


def test_dates_are_told_from_numbers() -> None:
    assert is_date("yyyy/m/d;@")
    assert is_date("[h]:mm")
    assert not is_date('0.00" days"')
    assert not is_date("0.00E+00")


def test_the_leap_day_that_excel_invents_moves_only_what_is_before_it() -> None:
    assert str(moment(1)) == "1900-01-01 00:00:00"
    assert str(moment(61)) == "1900-03-01 00:00:00"
    assert moment(3_000_000) is None


@pytest.mark.parametrize(
    "code", ["[", '"', "\\", "?/8", "0" * 5000, ";;;;;", "[>1.2.3]0", "#/", "E+", "?" * 900, "[$"]
)
def test_a_senseless_format_still_shows_something(code: str) -> None:
    assert isinstance(formatter(code)(12.5), str)
    assert isinstance(formatter(code)(-1e300), str)


def test_general_keeps_every_digit_of_a_whole_number() -> None:
    assert general(123_456_789_012_345) == "123456789012345"

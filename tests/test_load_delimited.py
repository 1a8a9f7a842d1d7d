from __future__ import annotations

import csv
import io
import time

import pytest

from rag.load.content import Content
from rag.load.plain.delimited import read_delimited
from rag.load.source import Source

PEOPLE = [
    ["Name", "City", "Age"],
    ["Ada", "London, UK", "36"],
    ["李雷", "北京；朝阳", "28"],
    ["Bo", "a|b", "7"],
]
LINES = [
    "Name: Ada; City: London, UK; Age: 36",
    "Name: 李雷; City: 北京；朝阳; Age: 28",
    "Name: Bo; City: a|b; Age: 7",
]


def read(data: str | bytes, name: str = "a.csv") -> Content:
    return read_delimited(Source(data=data.encode() if isinstance(data, str) else data, name=name))


def written(rows: list[list[str]], delimiter: str = ",") -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows(rows)
    return buffer.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a"])
def test_each_row_names_its_columns_and_knows_its_cells(delimiter: str, encoding: str, name: str) -> None:
    content = read(written(PEOPLE, delimiter).encode(encoding), name)
    assert content.text.split("\n") == LINES
    assert [region.cells for region in content.regions] == ["A2:C2", "A3:C3", "A4:C4"]
    assert [content.text[region.start : region.end] for region in content.regions] == LINES
    assert content.notes == ()


def test_excels_own_first_line_names_the_delimiter() -> None:
    assert read("sep=;\nName;Age\nAda, the first;36\nBo, her son;7\n").text.startswith(
        "Name: Ada, the first; Age: 36"
    )


def test_quoted_newlines_and_quotes_stay_in_their_cell() -> None:
    content = read('Name,Note\nAda,"she said ""yes""\nand left"\nBo,fine\nCy,ok\nDi,ok\nEd,3\n')
    assert content.text.split("\n")[0] == 'Name: Ada; Note: she said "yes" and left'
    assert [region.cells for region in content.regions][:2] == ["A2:B2", "A3:B3"]


def test_a_title_above_the_table_is_no_header() -> None:
    content = read("Stanley Cups,,\nTeam,Location,Cups\nBlues,STL,1\nFlyers,PHI,2\n")
    assert content.text.split("\n") == [
        "Stanley Cups",
        "Team: Blues; Location: STL; Cups: 1",
        "Team: Flyers; Location: PHI; Cups: 2",
    ]


def test_a_table_of_numbers_has_no_header() -> None:
    assert read("1,2,3\n4,5,6\n").text == "1 | 2 | 3\n4 | 5 | 6"


def test_a_quotation_mark_that_is_never_closed_swallows_nothing() -> None:
    content = read('Name,Note,Age\nAda,"high,36\nBo,low,7\nCy,low,8\n')
    assert content.text.split("\n") == [
        'Name: Ada; Note: "high; Age: 36',
        "Name: Bo; Note: low; Age: 7",
        "Name: Cy; Note: low; Age: 8",
    ]
    assert content.notes == ("a quotation mark in it is never closed: its quotation marks were read as text",)


def test_a_very_long_cell_is_read_whole() -> None:
    long = "word " * 100_000
    content = read(f"Name,Note,Age\nAda,{long},36\nBo,low,7\n")
    assert content.text.count("word") == 100_000


def test_lines_without_any_delimiter_are_read_as_they_are() -> None:
    assert read("one\ntwo\nthree\n").text.split() == ["one", "two", "three"]


def test_a_million_rows_are_cut_in_bounded_time_and_that_is_said() -> None:
    data = b"id,name,value,place,day\n" + b"".join(
        b"%d,row %d,3.5,X,2024-01-02\n" % (n, n) for n in range(1_000_000)
    )
    begun = time.process_time()
    content = read(data)
    assert time.process_time() - begun < 60
    assert len(content.regions) == 199_999
    assert content.notes == ("the rows from 200,001 on are left out: of one table 1,000,000 cells are read",)
    assert content.text.endswith("id: 199998; name: row 199998; value: 3.5; place: X; day: 2024-01-02")


@pytest.mark.parametrize(
    "rows",
    [
        [["fruit", "apple"], ["fruit", "cherry"], ["root", "turnip"]],
        [["Ada", "ada@example.org"], ["Bo", "bo@example.org"]],
        [["A-101", "Ada"], ["B-202", "Bo"]],
    ],
)
def test_a_first_row_of_values_like_those_below_it_names_nothing(rows: list[list[str]]) -> None:
    assert read(written(rows)).text.split("\n") == [f"{first}: {second}" for first, second in rows]


def test_a_header_that_a_later_row_repeats_names_the_columns() -> None:
    content = read("Name,City\nAda,London\nName,City\nBo,Paris\n")
    assert content.text.startswith("Name: Ada; City: London")


def test_a_quotation_mark_after_a_space_opens_a_cell() -> None:
    assert read('Name, Note\nAda, "yes, and left"\nBo, "no\nmore"\n').text.split("\n") == [
        "Name: Ada; Note: yes, and left",
        "Name: Bo; Note: no more",
    ]


def test_names_that_stand_twice_name_their_columns() -> None:
    assert (
        read("id,name,name\n1,Ada,Byron\n2,Bo,Peep\n").text.split("\n")[0] == "id: 1; name: Ada; name: Byron"
    )


def test_encoded_data_in_cells_is_left_out_and_that_is_said() -> None:
    blob = "iVBORw0KGgoAAAANSUhEUg" * 20
    addresses = ";".join(f"keeper{number}@example.org" for number in range(300))
    content = read(f"name,photo,mail\nAda,{blob},x\nBo,{blob},{addresses}\n{blob},,\n")
    assert content.text.split("\n") == [
        "name | photo | mail",
        "name: Ada; mail: x",
        f"name: Bo; mail: {addresses}",
    ]
    assert content.notes == ("3 blocks of encoded data left out",)


@pytest.mark.parametrize("index", [("ann", "bob"), ("0", "1")])
def test_the_corner_above_the_names_of_rows_may_be_empty(index: tuple[str, str]) -> None:
    content = read(written([["", "city", "job"], [index[0], "Paris", "cook"], [index[1], "Rome", "judge"]]))
    assert content.text == f"{index[0]}; city: Paris; job: cook\n{index[1]}; city: Rome; job: judge"
    assert read(",2021,2022\nRev,1,2\nCost,3,4\n").text == "Rev; 2021: 1; 2022: 2\nCost; 2021: 3; 2022: 4"


def test_names_of_columns_may_end_in_colons() -> None:
    assert read("Item:,Qty,Price:,Sum\nBolt,1,2,3\n").text == "Item: Bolt; Qty: 1; Price: 2; Sum: 3"


def test_two_backslashes_stay_two_beside_one_that_stands_for_itself() -> None:
    content = read('id,dir,said\n1,"\\\\srv\\share","say \\"hi\\", ok"\n')
    assert content.text == 'id: 1; dir: \\\\srv\\share; said: say "hi", ok'


def test_a_form_tells_each_value_beside_its_label_and_ends_at_a_table() -> None:
    form = "姓名：,张三,性别：,男\n生日：,1990-01-01,民族：,汉\n"
    told = "姓名: 张三; 性别: 男\n生日: 1990-01-01; 民族: 汉"
    assert read(form).text == told
    assert read(form + "品名,数量,单价,金额\n笔,2,3,6\n").text == (
        f"{told}\n品名: 笔; 数量: 2; 单价: 3; 金额: 6"
    )
    assert read("Name:,Ada\nCity:,London\nJob:,cook\n").text == "Name: Ada\nCity: London\nJob: cook"


def test_quotation_marks_behind_backslashes_do_not_end_their_cell() -> None:
    content = read(
        'id,said,city\n1,"He said \\"hi\\", then left",Paris\n2,"it\\\\",Rome\n3,C:\\\\new,"""Bath"""\n'
        '4,"a\\\nb",X\n'
    )
    assert content.text.split("\n") == [
        'id: 1; said: He said "hi", then left; city: Paris',
        "id: 2; said: it\\; city: Rome",
        'id: 3; said: C:\\new; city: "Bath"',
        "id: 4; said: a b; city: X",
    ]
    assert content.notes == ()


def test_a_quotation_mark_between_even_tabs_is_text() -> None:
    rows = ["Name\tNote", 'Bob\t"unclosed start', "Cid\tfine", 'Dan\t"again" yes', '"Eve"\t"a ""b"" c"']
    content = read("\n".join(rows), "a.tsv")
    assert content.text.split("\n") == [
        'Name: Bob; Note: "unclosed start',
        "Name: Cid; Note: fine",
        'Name: Dan; Note: "again" yes',
        'Name: Eve; Note: a "b" c',
    ]
    assert content.notes == ()


def test_quoted_tabs_and_newlines_stay_in_their_cell_though_another_is_quoted_badly() -> None:
    content = read('Name\tNote\nAda\t"two\nlines"\nBob\t"5" pipe\nCid\t"a\tb"\n', "a.tsv")
    assert content.text.split("\n") == [
        "Name: Ada; Note: two lines",
        "Name: Bob; Note: 5 pipe",
        "Name: Cid; Note: a b",
    ]

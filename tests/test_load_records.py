from __future__ import annotations

import json

import pytest

from rag.load.content import Content
from rag.load.plain.records import read_json, read_yaml
from rag.load.source import Source


def read(data: str, name: str = "a.json") -> Content:
    return read_json(Source(data=data.encode(), name=name))


def titles(content: Content) -> list[tuple[int, str]]:
    assert all(each.title in content.text[each.start : each.end] for each in content.headings)
    return [(each.level, each.title) for each in content.headings]


def test_an_object_is_read_as_lines_that_name_each_value() -> None:
    content = read(
        '{"名": "灯塔", "opened": 1901, "height": 32.50, "lit": true, "owner": null, "tags": ["a", "b"]}'
    )
    assert content.text == "名: 灯塔\nopened: 1901\nheight: 32.50\nlit: true\ntags: a, b"


def test_nested_values_bear_their_path_and_outer_keys_are_headings() -> None:
    content = read('{"a": 1, "address": {"city": "X", "geo": {"lat": 1, "lon": [2, 3]}}, "one": {"b": "c"}}')
    assert content.text == (
        "a: 1\n\naddress\n\naddress.city: X\naddress.geo.lat: 1\naddress.geo.lon: 2, 3\none.b: c"
    )
    assert titles(content) == [(1, "address")]


def test_each_record_of_a_list_is_a_line_that_names_its_values() -> None:
    content = read('{"keepers": [{"name": "Ada", "years": [1, 2]}, {"name": "Bo", "home": {"city": "X"}}]}')
    assert content.text == "keepers\n\nname: Ada; years: 1, 2\nname: Bo; home.city: X"


def test_a_long_record_stands_apart_with_a_line_for_each_value() -> None:
    records = [{"title": f"T{n}", "text": "word " * 200} for n in range(2)]
    blocks = read(json.dumps(records)).text.split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == ["title: T0", "title: T1"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json"])
def test_one_value_a_line_is_read_and_bad_lines_are_counted(name: str) -> None:
    assert read('{"a": 1}\n\n{"a": 2}\n', name).text == "a: 1\na: 2"
    content = read('{"a": 1}\noops\n{"a": 2}\n{"a": 3}', name)
    assert content.text == "a: 1\noops\na: 2\na: 3"
    assert content.notes == ("1 of its lines is no JSON, the first is line 2",)


def test_geojson_keeps_points_and_drops_outlines() -> None:
    features = [
        {"properties": {"name": "Lamp"}, "geometry": {"type": "Point", "coordinates": [1.5, 2.5]}},
        {"properties": {"name": "Bay"}, "geometry": {"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}},
    ]
    content = read(json.dumps({"type": "FeatureCollection", "features": features}), "a.geojson")
    assert "properties.name: Lamp; geometry.type: Point; geometry.coordinates: 1.5, 2.5" in content.text
    assert content.text.endswith("properties.name: Bay; geometry.type: Polygon")
    assert content.notes == ("the coordinates of lines and areas left out: 1",)


def test_comments_and_trailing_commas_are_borne() -> None:
    assert read('// c\n{"a": "// no", /* x */ "b": [1, 2,],}').text == "a: // no\nb: 1, 2"


@pytest.mark.parametrize(
    "text", ['{"a": 1, "b": [1, 2', "not JSON at all", "[" * 100_000, '{"a": 1} trailing']
)
def test_broken_json_is_read_as_it_is_written_and_that_is_said(text: str) -> None:
    content = read(text)
    assert content.text.startswith(text[:20])
    assert content.notes[-1].startswith("it is no valid JSON (")


def test_encoded_data_and_long_lists_of_numbers_are_left_out() -> None:
    content = read(
        json.dumps({"image": "iVBORw0KGgoAAAANSUhEUg" * 100, "name": "x", "vector": list(range(5000))})
    )
    assert content.text == f"name: x\nvector: {', '.join(map(str, range(40)))} … (5,000 in all)"
    assert content.notes == ("1 block of encoded data left out",)


def test_long_lists_of_words_are_read_whole() -> None:
    names = [f"Person{number:03}" for number in range(100)]
    assert all(name in read(json.dumps({"club": "Rowers", "members": names})).text for name in names)
    codes = [f"t{number}" for number in range(60)]
    assert ", ".join(codes) in read(json.dumps([{"tags": codes}])).text
    assert "… (60 in all)" in read(json.dumps({"x": [*map(str, range(59)), None]})).text


@pytest.mark.parametrize("form", ["user{}@example.org", "https://example.org/page/{}"])
def test_a_long_list_without_spaces_is_no_minified_line(form: str) -> None:
    values = [form.format(number) for number in range(200)]
    assert read(json.dumps({"team": "x", "list": values})).text == f"team: x\nlist: {', '.join(values)}"
    assert read(json.dumps([{"list": values}, {}])).text == f"list: {', '.join(values)}"


def test_what_is_left_out_of_all_values_is_told_once() -> None:
    blob, code = "iVBORw0KGgoAAAANSUhEUg" * 100, "f(a);" * 1000
    content = read(
        json.dumps([{"a": blob, "b": [blob, "c"]}, {"a": f"data:image/png;base64,{blob}", "d": code}])
    )
    assert content.text == f"b: c\na: data:image/png; d: {code[:500]} …"
    assert content.notes == (
        "3 blocks of encoded data left out",
        "1 line of minified code or data cut to their first 500 characters",
    )


def test_yaml_is_read_as_written_with_its_outer_keys_as_headings() -> None:
    text = '# all lamps\nname: Kaoju\nservices: # below\n  web:\n    port: 80\n"other key":\n'
    text += "- a: !!python/object:os.system x"
    content = read_yaml(Source(data=text.encode(), name="a.yaml"))
    assert content.text == text
    assert [(each.level, each.title) for each in content.headings] == [(1, "services"), (1, "other key")]


def test_values_that_follow_one_another_are_each_read() -> None:
    assert read('{"a": 1,\n "b": 2}\n{"a": 3}{"a": 4}').text == "a: 1; b: 2\na: 3\na: 4"


def test_controls_and_line_separators_within_a_string_are_borne() -> None:
    content = read('{"a": "x\ty\u2028z"}\n\noops\n{"a": "v"}\n{"a": "w"}', "a.jsonl")
    assert content.text == "a: x\ty\nz\noops\na: v\na: w"
    assert content.notes == ("1 of its lines is no JSON, the first is line 3",)

from __future__ import annotations

import pytest

from rag.load.plain.source_code import read_code
from rag.load.source import Source

JAVA = """package a.b;
@Component
public final class Foo<T> extends Bar {
    private int x = call(3);
    public static <T> List<T> of(T... items) throws Exception {
        if (x) { foo(); }
        return null;
    }
    enum Kind { A, B }
}
"""
C = "#include <a.h>\nstatic int add(int a, int b)\n{\n    return a;\n}\nint x = f(3);\nint main(void) {\n"


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.py", "class Foo(Base):\n    async def bar(self):\n        def inner(): ...\ndef top(): ...\n",
         [(1, "class Foo"), (2, "async def bar"), (3, "def inner"), (1, "def top")]),
        ("a.java", JAVA, [(1, "package a.b"), (1, "public final class Foo<T>"), (2, "of"), (2, "enum Kind")]),
        ("a.c", C, [(1, "add"), (1, "main")]),
        ("a.rs", "pub struct A { x: i32 }\nimpl A {\n    pub fn new() -> Self {}\n}\n",
         [(1, "pub struct A"), (1, "impl A"), (2, "pub fn new")]),
        ("a.go", "func (s *Server) Run(a string) error {\n}\ntype X struct {\n",
         [(1, "func (s *Server) Run"), (1, "type X")]),
        ("a.ts", "export default class Foo {\nexport async function bar<T>(x: T) {\nexport interface Baz {\n",
         [(1, "export default class Foo"), (1, "export async function bar<T>"), (1, "export interface Baz")]),
        ("a.cpp", "enum class Kind : int { A };\n", [(1, "enum class Kind")]),
        ("a.swift", "class Lamp: Light {\n    class func lit() {\n",
         [(1, "class Lamp"), (2, "class func lit")]),
        ("a.sql", "CREATE TABLE IF NOT EXISTS lamp (\n  id int\n);\nselect 1;\ncreate view v as select 1;\n",
         [(1, "CREATE TABLE IF NOT EXISTS lamp"), (1, "create view v")]),
        ("a.toml", "a = 1\n[tool.x]\nb = [1]\n[[y]]\n", [(1, "[tool.x]"), (1, "[[y]]")]),
        ("a.sh", "echo x\nrun_all() {\n  ls\n}\n", [(1, "run_all")]),
        ("a.tex", "\\section{One \\emph{a}}\n\\subsection*{Two}\n", [(3, "One \\emph{a}"[:-1]), (4, "Two")]),
        ("a.css", "a { color: red }\n", []),
        ("a.rb", "module A\n  class B\n    def c?\n", [(1, "module A"), (2, "class B"), (3, "def c?")]),
    ],
)  # fmt: skip
def test_what_code_defines_are_headings_nested_as_it_is_indented(
    name: str, text: str, wanted: list[tuple[int, str]]
) -> None:
    content = read_code(Source(data=text.encode(), name=name))
    assert content.text == text.strip("\n")
    assert [(each.level, each.title) for each in content.headings] == wanted
    assert all(each.title in content.text[each.start : each.end] for each in content.headings)


@pytest.mark.parametrize("cookie", ["# -*- coding: {} -*-", "#!/bin/python\n# vim: set fileencoding={} :"])
def test_a_coding_cookie_names_the_encoding(cookie: str) -> None:
    text = cookie.format("big5") + "\n# 臺北\n"
    content = read_code(Source(data=text.encode("big5"), name="a.py"))
    assert content.text.endswith("# 臺北")


def test_minified_code_is_cut_to_its_beginning_and_that_is_said() -> None:
    data = b"/* licence of the lamp */\n" + b"function a(b){return b.c(d)};e.f=g.h(i,j);k(l);" * 20_000
    content = read_code(Source(data=data, name="a.min.js"))
    assert content.text.startswith("/* licence of the lamp */\nfunction a(b)")
    assert len(content.text) < 1000
    assert content.notes == ("1 line of minified code or data cut to their first 500 characters",)

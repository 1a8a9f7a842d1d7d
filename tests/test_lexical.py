from __future__ import annotations

import random
import sqlite3

import pytest

from rag.index.lexical import MAX_QUERY_WORDS, TOKENIZER, match_any, plain, question_words, words

SIGNS = "二〇一两三十百千万亿零3,.5 -_'’aZäé後后乾干裡里臺台#+/@\"*()"


def finds(question: str, text: str) -> bool:
    """Say whether the text holds every word of the question, as FTS5 sees both."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f'CREATE VIRTUAL TABLE lexicon USING fts5(words, tokenize="{TOKENIZER}")')
    connection.execute("INSERT INTO lexicon VALUES (?)", (" ".join(words(text)),))
    query = "SELECT count(*) FROM lexicon WHERE lexicon MATCH ?"
    found = [
        connection.execute(query, (match_any([word]),)).fetchone()[0] for word in question_words(question)
    ]
    connection.close()
    return all(found)


def shares(question: str, text: str) -> bool:
    return bool(set(question_words(question)) & set(words(text)))


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [
        ("後來皇后走在隊伍後面", "后来皇后走在队伍后面"),
        ("乾淨的乾燥機和乾隆皇帝", "干净的干燥机和干隆皇帝"),
        ("裡面的里程碑，裏面的鄰里", "里面的里程碑，里面的邻里"),
        ("臺灣颱風吹倒檯燈", "台湾台风吹倒台灯"),
        ("頭髮發白，麵粉與面子", "头发发白，面粉与面子"),
        ("隻身一只，鐘錶鍾情", "只身一只，钟表钟情"),
        ("説話、說話，峯與峰，羣眾", "说话、说话，峰与峰，群众"),
        ("為爲什麼於並餘", "为为什么于并余"),
        ("漢語大字典", "汉语大字典"),
    ],
)
def test_traditional_and_simplified_are_the_same_words(traditional: str, simplified: str) -> None:
    assert words(traditional) == words(simplified)
    assert plain(traditional) == plain(simplified)


def test_what_is_simplified_already_stays_as_it_is() -> None:
    simplified = "著名作家在皇后里台干面一只发后余钟表于并为说群峰。"
    assert plain(simplified) == simplified


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("get user name", "call getUserName(id) first"),
        ("user_name", "the field userName is required"),
        ("userName", "rename user-name to something"),
        ("HTTP server", "class HTTPServerPool:"),
        ("os.path.join", "use os.path.join here"),
        ("path join", "use os.path.join here"),
        ("version 1.2.3", "released version v1.2.3 today"),
        ("GPT4", "the GPT-4 model"),
        ("GPT 4", "the GPT4 model"),
        ("Python 3", "用Python3写的程序"),
        ("email", "send an e-mail"),
        ("1990", "in the 1990s"),
        ("C++", "written in C++."),
        ("C#", "written in C#."),
        ("cafe in Zurich", "a café in Zürich"),
        ("Beyoncé", "BEYONCE sang"),
        ("walking", "she walks"),
        ("1000 users", "1,000 users"),
        ("1,234,567", "it has 1234567 rows"),
        ("１，０００", "1000"),
        ("分机802", "分机依次是801，802，803。"),
        ("24节气", "二十四节气"),
        ("一九九七年", "香港于1997年回归的那一年是一九九七年"),
        ("3", "三个月"),
        ("USA", "the U.S.A. and Canada"),
        ("Paris", "Paris's bridges"),
        ("COVID-19", "COVID–19"),
        ("13800138000", "call 138-0013-8000"),
    ],
)
def test_a_name_or_number_is_found_however_it_is_written(question: str, text: str) -> None:
    assert finds(question, text)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("二十四", "24"),
        ("十", "10"),
        ("一百零五", "105"),
        ("两千三百", "2300"),
        ("三万五千", "35000"),
        ("十万", "100000"),
        ("一亿三千万", "130000000"),
        ("二〇〇八", "2008"),
        ("一九九七", "1997"),
        ("二零二四", "2024"),
        ("3.5万", "35000"),
        ("3.2 万", "32000"),
        ("300万", "3000000"),
        ("12亿", "1200000000"),
        ("兩千", "2000"),
        ("三萬", "30000"),
        ("一千二", "1200"),
        ("三万五", "35000"),
        ("一千零二", "1002"),
        ("一点五万", "15000"),
        ("1万5千", "15000"),
        ("3亿5000万", "350000000"),
    ],
)
def test_a_chinese_number_has_its_value_among_the_words(written: str, value: str) -> None:
    assert words(f"约{written}人")[-1] == value
    assert shares(f"{value}人", f"约{written}人")


def test_another_number_is_another_word() -> None:
    assert not shares("25", "二十四")
    assert not shares("1000", "1,0001 and 10,00")
    assert "10" not in words("一")
    assert "12" not in words("it takes 1-2 days, or 1–2 days")
    assert "1" not in words("统一的一条河，唯一号码")
    assert {"9", "100"} <= set(words("早上九点一百人参加"))
    assert "106" not in words("10⁶")


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("138-0013-8000", "13800138000"),
        ("2023-05-03", "20230503"),
        ("2023年05月03日", "5"),
        ("2023-05-03", "5"),
        ("the boss's room", "boss"),
        ("an e‑mail", "email"),
        ("J.R.R. Tolkien", "jrr"),
        ("J.R.R. Tolkien", "r"),
        ("10⁶", "6"),
    ],
)
def test_a_word_is_indexed_in_the_form_it_is_asked_in(written: str, word: str) -> None:
    assert word in words(written)


def test_one_counts_where_it_numbers_something() -> None:
    assert shares("第1条", "第一条 加班须经批准")
    assert shares("1楼", "一楼有餐厅")


def test_identifiers_are_kept_whole_and_in_parts() -> None:
    assert words("Don't use GPT-4 or model_x v1.2.3, C++!") == (
        ["dont", "use", "gpt", "4", "gpt4", "or", "model", "x", "modelx", "v", "1", "2", "3", "1.2.3", "c++"]
    )
    assert words("ＡＢＣ１２３") == ["abc", "123", "abc123"]
    assert words("用Python3写的程序") == ["用", "python", "3", "python3", *words("写的程序")]
    assert {"长江", "大桥", "长江大桥", "江大"} <= set(words("长江大桥"))


def test_small_words_are_dropped_while_others_remain() -> None:
    assert question_words("What is the bridge?") == ["bridge"]
    assert question_words("What is it?") == ["what", "is", "it"]
    assert "什么" not in question_words("大桥是什么时候建成的？")
    assert question_words("大橋是什麼時候建成的？") == question_words("大桥是什么时候建成的？")


@pytest.mark.parametrize("seed", range(40))
def test_no_text_breaks_the_words(seed: int) -> None:
    text = "".join(random.Random(seed).choices(SIGNS, k=60))
    found = words(text)
    assert not [word for word in found if not word or any(sign.isspace() or sign == '"' for sign in word)]
    assert found == words(text.translate(str.maketrans("0123456789-+#/@", "０１２３４５６７８９－＋＃／＠")))
    assert len(question_words(text * 9)) <= MAX_QUERY_WORDS


def test_endless_numerals_take_no_endless_time() -> None:
    for text in ("亿" * 4000, "一" * 4000, "9" * 50_000 + "万", "1,000" * 20_000, "_" * 50_000):
        assert words(text)

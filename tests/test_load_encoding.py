from __future__ import annotations

import contextlib
import os
import random

import pytest

from rag.errors import LoadError
from rag.load.plain.encoding import decode, decode_noted

ZH = "今天的会议改到下午三点，请各部门负责人准时参加。联系人张三，电话 13800138000。"
ZH_TRADITIONAL = "臺北市信義區的圖書館今天不開門，請大家明天再來。"
JA = "こんにちは、世界。今日は良い天気です。明日は雨が降るでしょう。"
KO = "안녕하세요 세계 여러분. 오늘은 날씨가 좋습니다."
RU = "Добрый день, товарищи! Завтра в десять часов собрание."
FR = "Le café naïf coûtait 5 € à l’été : « très bien », dit Noël."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ZH, "utf-8"),
        (ZH, "utf-8-sig"),
        (ZH, "gbk"),
        (ZH, "gb18030"),
        (ZH, "utf-16"),
        (ZH, "utf-32"),
        (ZH, "utf-16-le"),
        (ZH, "utf-16-be"),
        (ZH_TRADITIONAL, "big5"),
        (ZH_TRADITIONAL, "utf-16-le"),
        ("Plain English, nothing else.", "utf-16-le"),
        ("Plain English, nothing else.", "utf-16-be"),
        ("你好，世界", "gbk"),
        ("张三 13800138000 北京市朝阳区", "gbk"),
        ("Meeting notes: 会议记录 2024", "gbk"),
        ("联通", "gbk"),
        ("电话", "gbk"),
        ("简历", "gbk"),
        ("图1", "gbk"),
        ("否", "gbk"),
        ("£20 a night, 5 µm, ½ off ©", "cp1252"),
        ("Центр информационных технологий", "koi8-r"),
        (JA, "shift_jis"),
        (JA, "euc_jp"),
        (KO, "euc_kr"),
        (RU, "cp1251"),
        (RU, "koi8-r"),
        (FR, "cp1252"),
        ("Größe: 5 µm", "cp1252"),
    ],
)
def test_text_comes_back_whatever_its_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["gbk", "big5", "utf-16-le"])
def test_any_cut_of_a_long_text_is_recognised(encoding: str) -> None:
    text = ZH_TRADITIONAL * 20 if encoding == "big5" else ZH * 20
    data = text.encode(encoding)
    for size in range(200, 240, 2):
        found = decode(data[:size])
        assert found.rstrip("\ufffd")[:80] == text[:80]


def test_a_declared_charset_is_believed_when_it_fits() -> None:
    assert decode("été".encode("latin-1"), declared="iso-8859-1") == "été"
    assert decode(ZH.encode("gb18030"), declared="gb2312") == ZH


@pytest.mark.parametrize("declared", ["utf-8", "no-such-charset", "ascii"])
def test_a_wrong_declaration_is_not_believed(declared: str) -> None:
    assert decode(ZH.encode("gbk"), declared="utf-8" if declared == "ascii" else declared) == ZH


def test_lines_of_two_encodings_are_each_read_in_their_own() -> None:
    data = (ZH + "\n").encode() * 3 + (ZH + "\n").encode("gbk") * 2
    assert decode(data) == (ZH + "\n") * 5


def test_utf8_cut_within_a_character_loses_only_that_character() -> None:
    assert decode("考据".encode()[:-1]) == "考"


def test_random_bytes_are_refused() -> None:
    with pytest.raises(LoadError, match="binary data"):
        decode(os.urandom(5000) + bytes(100))


def test_no_bytes_make_it_fail_otherwise() -> None:
    rng = random.Random(0)
    for _ in range(300):
        data = rng.randbytes(rng.randrange(1, 60))
        with contextlib.suppress(LoadError):
            decode(data)


SPOKEN = {  # a few sentences of each language, as people write them
    "cp1250": [
        "Latarnia morska świeci co noc od dziewiątej; proszę nie spóźniać się na zwiedzanie.",
        "Maják svítí každou noc od devíti hodin; přijďte prosím včas, průvodce čeká u dveří.",
        "A világítótorony minden este kilenckor nyit; kérjük, érkezzenek időben. Köszönjük, őr.",
    ],
    "cp1251": [
        "Маяк горит каждую ночь с девяти часов; просим не опаздывать на осмотр, вход свободный.",
        "Маяк світить щоночі з дев'ятої години; просимо не запізнюватися, вхід вільний, її ґанок відчинено.",
    ],
    "cp1252": [
        "Le phare est allumé chaque soir à neuf heures ; l’entrée est gratuite pour les élèves.",
        "Der Leuchtturm brennt jede Nacht ab neun Uhr; die Führung ist für Schüler umsonst.",
        "El faro se enciende cada noche a las nueve; es gratis para los niños. ¿Cuándo?",
        "O farol acende todas as noites às nove; a visita é grátis para as crianças. Atenção!",
        "Fyren tänds varje natt klockan nio; kom i tid, inträdet är gratis för både små och stora på ön.",
    ],
    "cp1253": ["Ο φάρος ανάβει κάθε βράδυ στις εννέα· η είσοδος είναι ελεύθερη."],
    "cp1254": ["Deniz feneri her gece dokuzda yanar; giriş öğrenciler için ücretsizdir. Işık güçlüdür."],
    "cp1255": ["המגדלור דולק בכל לילה מתשע; נא להגיע בזמן, הכניסה חופשית לכל התלמידים."],
    "cp1256": ["تضاء المنارة كل ليلة من الساعة التاسعة، يرجى الحضور في الموعد والدخول مجاني للطلاب."],
    "cp1257": [
        "Švyturys dega kiekvieną naktį nuo devynių; prašome nevėluoti, įėjimas mokiniams yra nemokamas."
    ],
    "cp1258": ["Đèn biển sáng mỗi đêm"],
    "cp874": ["ประภาคารเปิดไฟทุกคืนตั้งแต่สามทุ่ม โปรดมาให้ตรงเวลา เข้าชมฟรีสำหรับนักเรียน"],
    "koi8-r": ["Маяк горит каждую ночь с девяти часов; просим не опаздывать на осмотр, вход свободный."],
    "cp855": ["Маяк горит каждую ночь с девяти часов; просим не опаздывать на осмотр, вход свободный."],
    "johab": [KO],
    "koi8-u": ["Маяк світить щоночі з девятої години; просимо не запізнюватися, вхід вільний, її ґанок."],
    "cp866": ["Маяк горит каждую ночь с девяти часов; просим не опаздывать на осмотр, вход свободный."],
    "mac_roman": [
        "Le phare est allumé chaque soir à neuf heures; l’entrée est gratuite pour les élèves, où êtes-vous?"
    ],
    "mac_cyrillic": [
        "Маяк горит каждую ночь. Просим не опаздывать на осмотр. Вход свободный для всех моя семья."
    ],
    "gb18030": [ZH, ZH_TRADITIONAL, "目录", "联通", "会议记录"],
    "big5hkscs": [ZH_TRADITIONAL],
    "cp932": [JA],
    "euc_jp": [JA],
    "iso2022_jp": [JA],
    "cp949": [KO],
    "iso2022_kr": [KO],
    "hz": [ZH],
    "utf-16-le": [ZH, ZH_TRADITIONAL, JA, KO, RU, FR, "Just English."],
    "utf-16-be": [ZH, ZH_TRADITIONAL, JA, KO, RU, FR, "Just English."],
    "utf-32-le": [ZH, KO, RU, FR],
    "utf-32-be": [ZH, KO, RU, FR],
}


@pytest.mark.parametrize(
    ("encoding", "text"), [(name, text) for name, texts in SPOKEN.items() for text in texts]
)
@pytest.mark.parametrize("times", [1, 40])
def test_each_language_comes_back_from_its_own_encodings(encoding: str, text: str, times: int) -> None:
    if encoding == "cp1258":
        text = "Đèn biển sáng mỗi đêm, mời bạn đến xem.".replace("ể", "ê\u0309").replace("ỗ", "ô\u0303")
        text = text.replace("ạ", "a\u0323").replace("ế", "ê\u0301").replace("ờ", "ơ\u0300")
    whole = "\n".join([text] * times)
    assert decode(whole.encode(encoding)) == whole


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("gb2312", "utf-8"),
        ("iso-8859-1", "gbk"),
        ("windows-1252", "gbk"),
        ("big5", "gbk"),
        ("utf-8", "gbk"),
        ("utf-16", "gbk"),
        ("x-gbk", "gbk"),
        ("nonsense", "gbk"),
        ("base64", "gbk"),
        ("shift_jis", "gbk"),
    ],
)
def test_a_declaration_that_the_bytes_contradict_is_not_believed(declared: str, encoding: str) -> None:
    text = ZH * 3
    assert decode(text.encode(encoding), declared=declared) == text


@pytest.mark.parametrize(
    ("declared", "text"),
    [("iso-8859-2", "ąę"), ("windows-1251", "Да"), ("koi8-r", "Да"), ("iso-8859-1", "é"), ("big5", "臺北")],
)
def test_a_declaration_decides_where_the_bytes_leave_it_open(declared: str, text: str) -> None:
    assert decode(text.encode(declared), declared=declared) == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Jesús Navas and Søren Larsen met Jirků in Tromsø."),
        ("cp1252", "The fee is £50. It’s payable within 30 days."),
        ("cp1252", "It costs 5¢ – 6¢ each; see ¶ 5 — and ¶ 6."),
        ("cp1252", "He read «Le Monde» and « Match »."),
        ("cp1252", "¡Hola! They came to Oslo."),
        ("cp850", "Résumé; Zuerst fährt der Bus nach Köln."),
        ("mac_roman", "La Habana está aquí. Más información."),
        ("big5hkscs", "He paid £779 in 2011–2012."),
        ("cp1250", "The Erdős number"),
        ("cp1250", "Pan Michał mieszka w Gdyni."),
        ("cp1250", "Lech Wałęsa"),
        ("cp1254", "Fatma Hanım, Taksim"),
        ("gb18030", "鸡蛋\r\n牛奶\r\n"),
        ("gb18030", "妈妈 13800000000"),
        ("gb18030", "轴承 6204 2个"),
    ],
)
def test_a_short_note_of_few_foreign_letters_is_read(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("letters", ["γδ", "λ", "δ", "λ·δ²", "δ ≤ 5 °C", "λ is naïve", "Δ and λ in Zürich"])
def test_greek_letters_in_english_are_no_chinese(letters: str) -> None:
    text = f"The value of {letters} was measured twice.\n"
    assert decode(text.encode()) == text


def test_a_word_of_another_encoding_within_a_line_of_utf8_is_read() -> None:
    data = f"{ZH} caf".encode() + b"\xe9 au lait\n" + f"{ZH}\n".encode() * 3
    decoded = decode_noted(data)
    assert decoded.text == f"{ZH} café au lait\n" + f"{ZH}\n" * 3


def test_what_two_encodings_a_file_mixes_is_said() -> None:
    decoded = decode_noted(f"{ZH}\n".encode() * 3 + f"{ZH}\n".encode("gbk") * 3)
    assert decoded.text == f"{ZH}\n" * 6
    assert decoded.notes == ("its lines mix two encodings: UTF-8 and gb18030",)


def test_damaged_utf8_stays_utf8_and_what_is_lost_is_counted() -> None:
    data = bytearray(f"{ZH}\n".encode() * 20)
    for at in (9, 300, 903):
        data[at : at + 3] = b"\xe4\xff\xa0"
    decoded = decode_noted(bytes(data))
    assert decoded.text.count("负责人准时参加") >= 19
    assert any(note.endswith("characters could not be decoded") for note in decoded.notes)


def test_damaged_gbk_is_not_taken_for_a_western_text() -> None:
    data = bytearray((ZH * 20).encode("gbk"))
    data[101] = 0xFF
    decoded = decode_noted(bytes(data))
    assert decoded.text.count("各部门负责人") >= 19
    assert decoded.notes == ("1 character could not be decoded",) or "characters" in decoded.notes[0]


@pytest.mark.parametrize("cut", [1, 2])
def test_utf8_cut_at_either_end_loses_one_character_and_says_so(cut: int) -> None:
    assert decode_noted(ZH.encode()[cut:]).notes == ("its first character is cut",)
    assert decode_noted("考据".encode()[:-cut]).notes == ("its last character is cut",)


def test_blocks_that_were_never_written_are_left_out_and_told() -> None:
    decoded = decode_noted(ZH.encode() + bytes(4096))
    assert decoded.text == ZH
    assert decoded.notes == ("4,096 bytes of it are empty, as if it was not written to its end",)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("He said “don’t”.", "He said â€œdonâ€™tâ€\x9d."),
        ("你好，世界。今天天气很好。", "你好，世界。今天天气很好。".encode().decode("latin-1")),
        ("schön und groß", "schÃ¶n und groÃŸ"),
        ("Привет, мир", "Привет, мир".encode().decode("latin-1")),
        ("你好", "ä½\xa0å¥½"),
        ("今天的会议改", "今天的会议改".encode().decode("gb18030")),
    ],
)
def test_text_that_was_encoded_twice_is_put_right_and_told(right: str, wrong: str) -> None:
    decoded = decode_noted(wrong.encode())
    assert decoded.text == right
    assert decoded.notes == ("1 line had been encoded twice and was repaired",)


def test_source_code_that_holds_such_text_is_not_mended() -> None:
    assert decode_noted("schÃ¶n".encode(), mend=False).text == "schÃ¶n"


def test_a_text_about_such_damage_is_left_as_it_is() -> None:
    text = "Die Löwen heißen so.\nÄpfel und Öl.\nÜber „donâ€™t“ liest man oft.\nGrüße!\n"
    decoded = decode_noted(text.encode())
    assert decoded.text == text
    assert decoded.notes == ("1 line of it may have been encoded twice and was left so",)


@pytest.mark.parametrize("text", [text for texts in SPOKEN.values() for text in texts])
def test_right_text_is_never_repaired(text: str) -> None:
    assert decode_noted(text.encode()).text == text
    assert decode_noted(text.encode()).notes == ()


@pytest.mark.parametrize(
    "unit",
    [b"\xff", b"\xe4\xbd", b"\xe9\n", b"a\xe9", "ä½".encode(), "浣".encode(), b"~{", b"\x1b$B", b"\xa1a"],
)
def test_ten_megabytes_of_anything_are_decoded_in_linear_time(unit: bytes) -> None:
    with contextlib.suppress(LoadError):
        decode(unit * (10_000_000 // len(unit)))

"""Every text of the web page, in both languages: one table, so that none is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from rag.chinese import in_chinese

Language: TypeAlias = Literal["en", "zh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The page in one language; names in braces are filled in when shown."""

    code: Language
    tagline: str
    nav_ask: str
    nav_documents: str
    switch_theme: str
    placeholder: str
    ask: str
    stop: str
    clear: str
    empty_title: str
    empty_text: str
    empty_index: str
    examples: tuple[str, ...]
    queued: str
    searching: str
    reading: str
    stopped: str
    refused: str
    unsupported: str
    unsure: str
    failed: str
    unexpected: str
    sources: str
    sources_of: str
    sources_empty: str
    searched_for: str
    cited: str
    not_cited: str
    not_used: str
    nearest: str
    page: str
    pages: str
    slide: str
    slides: str
    sheet: str
    cells: str
    doubtful: str
    also: str
    score: str
    score_dense: str
    score_lexical: str
    queue_time: str
    retrieve_time: str
    first_time: str
    total_time: str
    tokens: str
    cached: str
    seconds: str
    add_files: str
    rescan: str
    documents_text: str
    drop: str
    too_large: str
    no_documents: str
    state_indexed: str
    state_failed: str
    passages: str
    delete: str
    confirm_delete: str
    deleted: str
    kept: str
    same: str
    syncing: str
    stage_reading: str
    stage_comparing: str
    pace: str
    time_left: str
    find: str
    none_found: str
    total_files: str
    total_ready: str
    total_failed: str
    total_noted: str
    total_ignored: str
    state_noted: str
    read_at: str
    notes: str
    rows_shown: str
    show_more: str
    synced: str
    close: str


ENGLISH: Final = Texts(
    code="en",
    tagline="answers from your own documents, with the place they come from",
    nav_ask="Ask",
    nav_documents="Documents",
    switch_theme="Light or dark",
    placeholder="Ask something about your documents…",
    ask="Ask",
    stop="Stop",
    clear="New conversation",
    empty_title="What would you like to look up?",
    empty_text="Kaoju reads your documents on this computer and marks the place of every claim.",
    empty_index="There are no documents yet. Add some under Documents, then ask about them.",
    examples=(
        "What is this collection of documents about?",
        "Which dates and deadlines are mentioned?",
        "Who is responsible for what?",
    ),
    queued="Waiting: place {place} in the queue",
    searching="Searching the documents",
    reading="Reading {count} passages",
    stopped="Stopped.",
    refused="Not found in the documents",
    unsupported="No passage supports this: check it elsewhere",
    unsure="No passage supports what is marked ?: check it elsewhere",
    failed="No answer:",
    unexpected="The answer ended unexpectedly; the log of Kaoju says why. Ask again.",
    sources="Sources",
    sources_of="Sources ({count})",
    sources_empty="The passages an answer is drawn from appear here, with the words it used marked.",
    searched_for="Searched for: {question}",
    cited="Cited",
    not_cited="Read, not cited",
    not_used="Found, not read",
    nearest="The nearest passages",
    page="p. {page}",
    pages="pp. {page}–{last}",
    slide="slide {page}",
    slides="slides {page}–{last}",
    sheet="sheet {page}",
    cells="cells {cells}",
    doubtful="read by OCR, may contain errors",
    also="also {names}",
    score="rank score {value}",
    score_dense="meaning {value}",
    score_lexical="words {value}",
    queue_time="queued {seconds}",
    retrieve_time="search {seconds}",
    first_time="first word {seconds}",
    total_time="total {seconds}",
    tokens="{prompt} + {answer} tokens",
    cached="{count} of them reused",
    seconds="{value} s",
    add_files="Add files",
    rescan="Look for changes",
    documents_text="Files in the folder {folder}. What you add is kept there and read at once.",
    drop="Files can also be dropped on this page, up to {limit} MB each.",
    too_large="{name} is larger than {limit} MB; put it into {folder} by hand.",
    no_documents="No documents yet.",
    state_indexed="ready",
    state_failed="not readable",
    passages="{count} passages",
    delete="Delete",
    confirm_delete="Delete {name} from the folder of documents? This cannot be undone.",
    deleted="Deleted {name}.",
    kept="Added {name}.",
    same="{name} is already there, with the same content.",
    syncing="Reading the documents",
    stage_reading="Reading documents",
    stage_comparing="Comparing documents",
    pace="{rate} a second",
    time_left="about {time} left",
    find="Find by name, reason or note",
    none_found="No document matches.",
    total_files="{count} files",
    total_ready="{count} ready",
    total_failed="{count} not readable",
    total_noted="{count} with notes",
    total_ignored="{count} ignored",
    state_noted="ready, in part",
    read_at="read {time}",
    notes="{count} notes",
    rows_shown="The first {shown} of {count} are shown.",
    show_more="Show more",
    synced="Up to date: {added} added, {changed} changed, {removed} removed, {failed} not readable.",
    close="Close",
)

CHINESE: Final = Texts(
    code="zh",
    tagline="依据您自己的文档作答，言必有据",
    nav_ask="提问",
    nav_documents="文档",
    switch_theme="浅色或深色",
    placeholder="就您的文档提问……",
    ask="提问",
    stop="停止",
    clear="新对话",
    empty_title="想查点什么？",
    empty_text="考据在本机阅读您的文档，并标出每个说法的出处。",
    empty_index="还没有文档。请先在“文档”页添加，再来提问。",
    examples=("这些文档主要讲什么？", "文中提到了哪些日期和期限？", "各项工作由谁负责？"),
    queued="排队中：第 {place} 位",
    searching="正在检索文档",
    reading="正在阅读 {count} 个段落",
    stopped="已停止。",
    refused="文档中没有找到",
    unsupported="没有段落可以佐证，请另行核实",
    unsure="没有段落可以佐证标有 ? 的句子，请另行核实",
    failed="未能作答：",
    unexpected="回答意外中断，原因见考据的日志。请再问一次。",
    sources="出处",
    sources_of="出处（{count}）",
    sources_empty="回答所依据的段落会显示在这里，用到的字句会标出。",
    searched_for="搜索的是：{question}",
    cited="已引用",
    not_cited="读过，未引用",
    not_used="检索到，未读",
    nearest="最接近的段落",
    page="第 {page} 页",
    pages="第 {page}–{last} 页",
    slide="幻灯片 {page}",
    slides="幻灯片 {page}–{last}",
    sheet="工作表 {page}",
    cells="单元格 {cells}",
    doubtful="由 OCR 识别，可能有误",
    also="亦见于 {names}",
    score="综合 {value}",
    score_dense="语义 {value}",
    score_lexical="字词 {value}",
    queue_time="排队 {seconds}",
    retrieve_time="检索 {seconds}",
    first_time="首字 {seconds}",
    total_time="共 {seconds}",
    tokens="{prompt} + {answer} 个词元",
    cached="其中复用 {count} 个",
    seconds="{value} 秒",
    add_files="添加文件",
    rescan="检查变动",
    documents_text="文件夹 {folder} 中的文件。在此添加的文件会存入其中，并立即读取。",
    drop="也可将文件拖放到本页，每个不超过 {limit} MB。",
    too_large="{name} 超过 {limit} MB；请手动将它放入 {folder}。",
    no_documents="还没有文档。",
    state_indexed="就绪",
    state_failed="无法读取",
    passages="{count} 个段落",
    delete="删除",
    confirm_delete="从文档文件夹中删除 {name}？此操作无法撤销。",
    deleted="已删除 {name}。",
    kept="已添加 {name}。",
    same="{name} 已存在，内容相同。",
    syncing="正在读取文档",
    stage_reading="读取文件",
    stage_comparing="比对文件",
    pace="每秒 {rate} 个",
    time_left="约剩 {time}",
    find="按名称、原因或备注查找",
    none_found="没有符合的文档。",
    total_files="{count} 个文件",
    total_ready="{count} 个就绪",
    total_failed="{count} 个无法读取",
    total_noted="{count} 个有备注",
    total_ignored="{count} 项已忽略",
    state_noted="部分就绪",
    read_at="读取于 {time}",
    notes="{count} 条备注",
    rows_shown="共 {count} 个，显示前 {shown} 个。",
    show_more="显示更多",
    synced="已是最新：新增 {added}，更改 {changed}，移除 {removed}，无法读取 {failed}。",
    close="关闭",
)

LANGUAGES: Final[dict[str, Texts]] = {"en": ENGLISH, "zh": CHINESE}


def texts_for(preference: str) -> Texts:
    """Return the texts for the first known of the languages, comma-separated as a browser lists them."""
    for entry in preference.split(","):
        code = entry.split(";")[0].strip().lower().split("-")[0]
        if code in LANGUAGES:
            return LANGUAGES[code]
    return ENGLISH


def told(said: str, texts: Texts) -> str:
    """Return a reason, a note or an error, which are made in English, in the page's language."""
    return in_chinese(said) if texts.code == "zh" else said

"""Which names and first bytes go with which kind of file."""

from __future__ import annotations

import re
from typing import Final

MARKS: Final = (  # first bytes of what is read
    (b"{\\rtf", "rtf"),
    (b"\x09\x00\x04\x00", "xls"),  # of Excel 2, 3 and 4, and 5 without a container (MS-XLS, 2.4.21)
    (b"\x09\x02\x06\x00", "xls"),
    (b"\x09\x04\x06\x00", "xls"),
    (b"\x09\x08\x08\x00", "xls"),
    (b"\x09\x08\x10\x00", "xls"),
    (b"\x89PNG\r\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"II*\0", "image"),
    (b"MM\0*", "image"),
    (b"\x1f\x8b", "packed"),
    (b"\xfd7zXZ\0", "packed"),
    (b"\x78\x9f\x3e\x22", "tnef"),
)
WORDLIKE: Final = (  # the same, where a text may begin so too
    (re.compile(rb"GIF8[79]a"), "image"),
    (re.compile(rb"BM.{4}\0\0\0\0", re.S), "image"),
    (re.compile(rb"RIFF.{4}WEBP", re.S), "image"),
    (re.compile(rb"BZh[1-9]"), "packed"),
    (re.compile(rb"\]\0\0.{2}(?:\xff{8}|.{5}\0{3})", re.S), "packed"),  # .lzma
)
DECRYPT: Final = "decrypt it and put what it holds here"
UNREAD: Final = (  # first bytes and what they tell a person
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "7z archive", "unpack it and put its files here"),
    (re.compile(rb"Rar!\x1a\x07"), "RAR archive", "unpack it and put its files here"),
    (re.compile(rb"MSCF\0"), "cabinet archive", "unpack it and put its files here"),
    (
        re.compile(rb"\x1f[\x9d\xa0]|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18|\x89LZO\0|LZIP\x01|LRZI\0"),
        "file packed by zstd, lz4, compress or the like",
        "unpack it and put what it holds here",
    ),
    (re.compile(rb".{4}ftyp(?:hei[cxms]|mif1|msf1|avif)", re.S), "HEIC or AVIF image", "save it as JPEG"),
    (re.compile(rb"\0\0\0\x0cjP  "), "JPEG 2000 image", "save it as JPEG"),
    (re.compile(rb"8BPS\0"), "Photoshop image", "save it as JPEG"),
    (re.compile(rb"%!PS|\xc5\xd0\xd3\xc6"), "PostScript document", "save it as PDF"),
    (re.compile(rb"AT&TFORM"), "DjVu document", "save it as PDF"),
    (re.compile(rb".{60}(?:BOOKMOBI|TEXtREAd)", re.S), "Kindle book", "save it as EPUB"),
    (re.compile(rb"ITSF\x03"), "compiled help file", "save it as HTML"),
    (re.compile(rb"\xffWPC"), "WordPerfect document", "save it as DOCX"),
    (re.compile(rb".{4}Standard (?:Jet|ACE) DB", re.S), "Access database", "save its tables as CSV"),
    (re.compile(rb"SQLite format 3\0"), "SQLite database", "save its tables as CSV"),
    (re.compile(rb"PAR1"), "Parquet table", "save it as CSV"),
    (
        re.compile(rb"\x30.{1,5}\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03", re.S),
        "mail encrypted with S/MIME",
        DECRYPT,
    ),
    (  # a message for a key or with a password (RFC 9580, 5.1 and 5.3)
        re.compile(rb"\x84.\x03|\x85..\x03|\xc1.{1,2}\x03|(?:\x8c.|\xc3.)\x04[\x01-\x0b]", re.S),
        "file encrypted with PGP",
        DECRYPT,
    ),
    (re.compile(rb"\x7fELF|MZ\x90|MZ[^a-z]{2}\0|\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe"), "program", ""),
    (
        re.compile(rb"ID3[\x02-\x04]|OggS\0|fLaC\0|\xff[\xfb\xf3\xf2]|MThd\0|RIFF.{4}WAVE", re.S),
        "sound file",
        "",
    ),
    (
        re.compile(rb".{4}ftyp|RIFF.{4}AVI |\x1a\x45\xdf\xa3|FLV\x01|\0\0\x01\xba", re.S),
        "video or sound file",
        "",
    ),
)
SUFFIXES: Final = {  # of files that are text, and how it is marked up
    "text": ".txt .text .log",
    "markdown": ".md .markdown .mdx .mkd .rmd .qmd",
    "html": ".html .htm .xhtml .shtml",
    "mhtml": ".mhtml .mht",
    "xml": (
        ".xml .xsd .rss .atom .svg .opml .kml .gpx .wsdl .plist .dita .ditamap .docbook .dbk .tei "
        ".fb2 .rdf .owl .xliff .xlf .tmx .resx .nfo .csproj .vbproj .vcxproj .xaml .fodt .fods .fodp"
    ),
    "json": ".json .jsonl .ndjson .geojson .json5 .jsonc",
    "csv": ".csv .tsv .tab .psv",
    "yaml": ".yaml .yml",
    "rst": ".rst .rest",
    "org": ".org",
    "notebook": ".ipynb",
    "subtitles": ".srt .vtt .sbv",
    "eml": ".eml .emlx",
    "mbox": ".mbox .mbx",
    "code": (
        ".py .pyi .pyw .js .mjs .cjs .jsx .ts .tsx .java .kt .kts .scala .c .h .cc .cpp .cxx .hpp .hh .cs "
        ".go .rs .rb .php .pl .pm .lua .r .jl .swift .m .mm .sh .bash .zsh .fish .ps1 .bat .cmd .sql .css "
        ".scss .less .vue .svelte .ex .exs .erl .hrl .hs .ml .mli .clj .lisp .el .scm .dart .f90 .f .pas "
        ".asm .s .cmake .gradle .groovy .proto .graphql .tf .toml .ini .cfg .conf .properties .env .tex "
        ".bib .ipy .vb .vba .bas .awk .sed .zig .nim .d .v .sv .vhd .cu .pyx .diff .patch .desktop .reg "
        ".xsl .xslt .cr .hx .vala .vhdl .coffee .sass .styl .cshtml .erb .haml .tcl .ada .adb .ads .cob .cbl "
        ".for .f77 .f95 .f03 .mk .rkt .cljs .cljc .edn .fs .fsx .fsi .glsl .hlsl .sol .wgsl .nix .bzl .psm1 "
        ".psd1 .vbs .applescript .sty .cls"
    ),
}
KINDS: Final = {suffix: kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes.split()} | {
    "": "text"
}
PACKED: Final = {  # read, but never text
    ".pdf": "PDF",
    ".docx": "Word document",
    ".docm": "Word document",
    ".dotx": "Word template",
    ".pptx": "PowerPoint presentation",
    ".ppsx": "PowerPoint presentation",
    ".xlsx": "Excel workbook",
    ".xlsm": "Excel workbook",
    ".odt": "OpenDocument text",
    ".ods": "OpenDocument spreadsheet",
    ".odp": "OpenDocument presentation",
    ".epub": "EPUB book",
    ".zip": "zip archive",
    ".png": "PNG image",
    ".jpg": "JPEG image",
    ".jpeg": "JPEG image",
    ".gif": "GIF image",
    ".tif": "TIFF image",
    ".tiff": "TIFF image",
    ".webp": "WebP image",
    ".bmp": "bitmap image",
}
SHEETS: Final = frozenset({".xls", ".xlsx", ".xlsm"})  # names that programs give to plain tables, too

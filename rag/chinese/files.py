"""Why a file could not be read, and what is to be known of one that was read in part."""

from __future__ import annotations

from typing import Final

FILES: Final = {
    # any file
    "the file is empty": "文件是空的",
    "there is no text in it": "其中没有文字",
    "there is no text in it, only markup": "其中没有文字，只有标记",
    "it is nested too deeply to be read": "嵌套过深，无法读取",
    "{package}, which reads such files, is not installed: install Kaoju anew": (
        "读取此类文件所需的 {package} 没有安装：请重新安装考据"
    ),
    "the file is damaged or unusual: {error}": "文件已损坏或不寻常：{error}",
    "this is not a file but a folder, a pipe or a device": "这不是文件，而是文件夹、管道或设备",
    "the file has vanished": "文件已消失",
    "the file may not be read: its permissions forbid it": "没有读取此文件的权限",
    "the file is larger than the memory one document may use": "文件大于单个文档可用的内存",
    "the file cannot be read: {error}": "文件无法读取：{error}",
    "it was being written to while it was read; it is read once it stays as it is": (
        "读取时文件仍在写入；待其不再变动后读取"
    ),
    "it is named {suffix} but is not {kind}": "文件名以 {suffix} 结尾，却不是{kind}",
    "{kind} cannot be read": "无法读取{kind}",
    "{kind} cannot be read: {advice}": "无法读取{kind}：{advice}",
    "an OpenDocument file of the kind {kind} cannot be read: {advice}": (
        "无法读取 {kind} 类的 OpenDocument 文件：{advice}"
    ),
    "a cache of thumbnails holds no text": "缩略图缓存中没有文字",
    # its pages as pictures
    "only pages of PDF files and images can be shown": "只能显示 PDF 和图片的页面",
    "it has no page {number}": "其中没有第 {number} 页",
    "it has been changed since it was read: sync first": "它在读取之后有改动：请先同步",
    "it has been changed since it was read: ask again": "它在读取之后有改动：请再问一次",
    "other pages are being drawn: try again": "正在绘制别的页面：请再试一次",
    "no such place is known: ask again": "没有这个位置：请再问一次",
    # limits of reading
    "reading it takes more memory than one document may use": "读取它所需的内存超过单个文档的上限",
    "unpacking it takes more memory than one document may use": "解压它所需的内存超过单个文档的上限",
    "reading it takes longer than {minutes} minutes": "读取它需要超过 {minutes} 分钟",
    "reading it took longer than {seconds} seconds": "读取它超过了 {seconds} 秒",
    "reading it takes more than {steps} steps": "读取它需要超过 {steps} 步",
    "reading it ended the reader: it was killed by {signal}": "读取它使读取程序被 {signal} 终止",
    "reading it ended the reader: it stopped with status {status}": ("读取它使读取程序中断，状态为 {status}"),
    "its reader failed: {error}": "读取程序出错：{error}",
    "no process can be started to read it: {error}": "无法启动读取它的进程：{error}",
    "it holds more text and places than one document may have": "其文字和位置超过单个文档的上限",
    "it holds more than {count} members": "其中的成员超过 {count} 个",
    "it unpacks to more than {count} MB": "解压后超过 {count} MB",
    "{reason}; unpack it and put the files here": "{reason}；请解压后把其中的文件放到这里",
    "it lies in more than {count} containers, one inside the other": "它位于超过 {count} 层的嵌套容器中",
    "its text is longer than {count} characters": "其文字超过 {count} 个字符",
    "it is very long: only the first {read} of its {count} characters were read": (
        "内容很长：共 {count} 个字符，只读取了前 {read} 个"
    ),
    "there [is|are] {count} more such note[s]": "另有 {count} 条此类备注",
    "{count} more could not be read": "另有 {count} 个无法读取",
    "the rest was not read: {reason}": "其余部分没有读取：{reason}",
    # archives and books
    "the file is cut or damaged: only its beginning was read": "文件被截断或已损坏：只读取了开头部分",
    "the file is damaged: it begins as a zip file and is not whole": (
        "文件已损坏：开头是 zip 文件，但不完整"
    ),
    "the file is damaged: nothing of it can be unpacked": "文件已损坏：无法解压出任何内容",
    "the archive is cut or damaged: only what is whole of it was read": (
        "压缩包被截断或已损坏：只读取了其中完好的部分"
    ),
    "the archive is damaged from here on": "压缩包从这里起已损坏",
    "it is one part of a split zip: join all parts into one file to have all of it": (
        "它是分卷 zip 的一卷：请将各卷合并为一个文件，以便全部读取"
    ),
    "there is nothing in the archive": "压缩包中什么都没有",
    "its members are empty": "其中的成员都是空的",
    "its members overlap, as in a zip bomb": "其中的成员相互重叠，像是 zip 炸弹",
    "a member without a name": "没有名称的成员",
    "it is encrypted; add its password to the setting `passwords`": (
        "它已加密；请将其密码加入设置项 `passwords`"
    ),
    "it is damaged within the archive": "它在压缩包中已损坏",
    "it is packed in a rare way; pack it anew as a usual zip": "压缩方式罕见；请重新打包为普通的 zip",
    "the book is protected against copying (DRM); only its own reading program can open it": (
        "此书有防复制保护（DRM）；只有其专用阅读程序能打开"
    ),
    "the book is cut or damaged: only what is whole of it was read": (
        "电子书被截断或已损坏：只读取了其中完好的部分"
    ),
    "there is no text in the book": "书中没有文字",
    # mail
    "its parts are nested too deeply": "其各部分嵌套过深",
    "its text is encrypted with PGP: {advice}": "其正文用 PGP 加密：{advice}",
    "the mail is encrypted with {kind}: {advice}": "邮件用 {kind} 加密：{advice}",
    "there is no text in the page": "页面中没有文字",
    "it is an object of another program: open the mail in Outlook and save it from there": (
        "这是另一个程序的对象：请在 Outlook 中打开邮件，再从那里另存"
    ),
    "it is only a link to a file that is kept elsewhere": "这只是一个链接，文件本身保存在别处",
    "properties of the type {kind} are unknown": "类型 {kind} 的属性未知",
    "it was damaged on its way: only what is whole of it was read": "传输中已损坏：只读取了其中完好的部分",
    "the Outlook message is cut or damaged": "Outlook 邮件被截断或已损坏",
    "the RTF of the message is cut": "邮件中的 RTF 被截断",
    "the RTF of the message is packed in an unknown way": "邮件中的 RTF 以未知方式压缩",
    # office
    "the {kind} is damaged: {reason}": "{kind}已损坏：{reason}",
    "the OpenDocument file is damaged: {reason}": "OpenDocument 文件已损坏：{reason}",
    "the {kind} is cut or damaged: {reason}": "{kind}被截断或已损坏：{reason}",
    "only what stands before the damage was read": "只读取了损坏处之前的内容",
    "{count} of its parts {were} read, lost are {parts}": "读取了其中 {count} 个部分，丢失的有 {parts}",
    "{name} cannot be unpacked": "{name} 无法解压",
    "the Word document is damaged: {reason}": "Word 文档已损坏：{reason}",
    "{name} is missing": "缺少 {name}",
    "{name} cannot be decrypted": "{name} 无法解密",
    "its content is damaged: what follows the damage may be missing": (
        "其内容已损坏：损坏处之后的内容可能缺失"
    ),
    "{name} inside it is damaged: what follows the damage may be missing": (
        "其中的 {name} 已损坏：损坏处之后的内容可能缺失"
    ),
    "the document is encrypted: add its password to the setting `passwords`, or save a copy of it without "
    "one": ("文档已加密：请将其密码加入设置项 `passwords`，或另存一份不加密的副本"),
    "the document is encrypted in a way that cannot be read: save a copy of it without a password": (
        "文档的加密方式无法读取：请另存一份不加密的副本"
    ),
    "the document is older than Word 97": "文档早于 Word 97",
    "reading it needs LibreOffice: install it (Debian and Ubuntu: apt-get install {package}), "
    "or save a copy of it as {suffix}": (
        "读取它需要 LibreOffice：请安装（Debian 和 Ubuntu：apt-get install {package}），或另存为 {suffix}"
    ),
    "LibreOffice cannot read it: the file is damaged, or of an unknown kind": (
        "LibreOffice 无法读取：文件已损坏，或类型不明"
    ),
    "LibreOffice cannot read it: the file is damaged": "LibreOffice 无法读取：文件已损坏",
    "LibreOffice cannot be started: {error}": "LibreOffice 无法启动：{error}",
    "LibreOffice took longer than {seconds} seconds to read it": "LibreOffice 读取它超过了 {seconds} 秒",
    "headings, lists and pictures are missing: {reason}": "缺少标题、列表和图片：{reason}",
    "only its text was read, {reason}": "只读取了其文字，{reason}",
    "a document inserted into it could not be read: {reason}": "插入其中的一个文档无法读取：{reason}",
    "{name}, embedded in it, could not be read: {reason}": "嵌入其中的 {name} 无法读取：{reason}",
    "an embedded object was not read: {name}": "一个嵌入的对象没有读取：{name}",
    "slide {number} is missing from the file": "文件中缺少第 {number} 张幻灯片",
    "slide {number} is hidden in the presentation; it was read like the others": (
        "第 {number} 张幻灯片在演示文稿中是隐藏的；已照常读取"
    ),
    "slide {number} could not be read: {reason}": "第 {number} 张幻灯片无法读取：{reason}",
    'the sheet "{name}" is hidden in the workbook; it was read like the others': (
        "工作表“{name}”在工作簿中是隐藏的；已照常读取"
    ),
    'the sheet "{name}" is left out {where}: of one workbook {count} cells are read': (
        "工作表“{name}”{where}被略去：一个工作簿读取 {count} 个单元格"
    ),
    "after row {count}": "第 {count} 行之后",
    'the sheet "{name}" is damaged and could not be read': "工作表“{name}”已损坏，无法读取",
    'the sheet "{name}" is missing from the file': "文件中缺少工作表“{name}”",
    "{count} formula[ has|s have] no stored result: open it in a spreadsheet program and save it, "
    "so that [its value|their values] can be read": (
        "{count} 个公式没有保存结果：请用电子表格程序打开并保存，以便读取其数值"
    ),
    "{part} is damaged: what follows the damage is missing": "{part}已损坏：损坏处之后的内容缺失",
    "{part} is damaged: those after the damage are missing": "{part}已损坏：损坏处之后的文字缺失",
    'the sheet "{name}"': "工作表“{name}”",
    "the part is damaged": "此部分已损坏",
    "{count} character[ does|s do] not belong to the code page that the file declares": (
        "{count} 个字符不属于文件所声明的代码页"
    ),
    "the RTF file is damaged: its groups are nested more than {count} deep": (
        "RTF 文件已损坏：其分组嵌套超过 {count} 层"
    ),
    # pages and pictures
    "it is a picture, and reading pictures is switched off: set `ocr = true` in rag.toml to have it read": (
        "这是图片，而读取图片已关闭：在 rag.toml 中设置 `ocr = true` 即可读取"
    ),
    "the image is too large: at most {count} million pixels are read": "图片过大：最多读取 {count} 百万像素",
    "the image is too large{size}: at most {count} million pixels are read": (
        "图片过大{size}：最多读取 {count} 百万像素"
    ),
    "there is no text in it: OCR found none in the image": "其中没有文字：OCR 在图片中没有找到",
    "the image is damaged, or of a kind that cannot be read": "图片已损坏，或类型无法读取",
    "the image is damaged: {error}": "图片已损坏：{error}",
    "page {number} of {total}": "第 {number} 页，共 {total} 页",
    "picture {number}": "第 {number} 张图片",
    "{name}, after {count} others": "{name}，此前 {count} 个",
    "only the first {read} of its {count} pages were read": "共 {count} 页，只读取了前 {read} 页",
    "page[s] {pages} {what}": "第 {pages} 页{what}",
    "[is|are] damaged and [was|were] not read": "已损坏，没有读取",
    "hold[s] pictures, which were not read since OCR is off: set `ocr = true` in rag.toml": (
        "含有图片，因 OCR 已关闭而没有读取：请在 rag.toml 中设置 `ocr = true`"
    ),
    "[has|have] a text layer that means nothing: OCR read what [it shows|they show]": (
        "的文字层没有意义：已用 OCR 读取页面所示内容"
    ),
    "hold[s] characters whose meaning the file does not tell: left out": "含有文件未说明含义的字符：已略去",
    "hold[s] too much text: the rest was not read": "文字过多：其余部分没有读取",
    "only {read} of its pictures were read, {count} more {were} not": (
        "其中的图片只读取了 {read} 张，另有 {count} 张没有读取"
    ),
    "a picture could not be read: {name}: {reason}": "一张图片无法读取：{name}：{reason}",
    "there is no text in it: its pages hold drawings alone": "其中没有文字：各页只有图形",
    "its pages are empty": "其页面都是空的",
    "there is no text in it: it has no text layer, and OCR found none in its pictures": (
        "其中没有文字：没有文字层，OCR 在其图片中也没有找到"
    ),
    "the PDF is encrypted: add its password to the setting `passwords` in rag.toml": (
        "PDF 已加密：请将其密码加入 rag.toml 的设置项 `passwords`"
    ),
    "the PDF is encrypted in a way that no password opens, such as for a certificate: save a copy without "
    "it": ("PDF 的加密方式无法用密码打开，例如需要证书：请另存一份不加密的副本"),
    "the PDF is damaged: {reason}": "PDF 已损坏：{reason}",
    "the file is cut off at its end: what could be found was read": "文件末尾被截断：已读取能找到的内容",
    "attachment {number}": "附件 {number}",
    "the attachment is damaged and was not read": "附件已损坏，没有读取",
    # plain text and data
    "it holds binary data, not text in any known encoding": "其中是二进制数据，不是任何已知编码的文字",
    "{count} bytes of it are empty, as if it was not written to its end": (
        "其中 {count} 个字节是空的，似乎没有写完"
    ),
    "{count} character[s] could not be decoded": "{count} 个字符无法解码",
    "its {which} character is cut": "其{which}字符被截断",
    "its lines mix two encodings: UTF-8 and {encoding}": "各行混用两种编码：UTF-8 和 {encoding}",
    "{lines} of it may have been encoded twice and [was|were] left so": (
        "其中 {lines}可能经过两次编码，已保留原样"
    ),
    "{lines} had been encoded twice and [was|were] repaired": "{lines}经过两次编码，已修复",
    "{blocks} of encoded data left out": "略去了 {blocks}编码数据",
    "{lines} of minified code or data cut to their first {count} characters": (
        "{lines}压缩过的代码或数据只保留前 {count} 个字符"
    ),
    "the coordinates of lines and areas left out: {count}": "略去了 {count} 处线和面的坐标",
    "{count} line[s]": "{count} 行",
    "{count} block[s]": "{count} 块",
    "what a cell printed was cut to {count} characters": "一个单元格的输出被截至 {count} 个字符",
    "it is no valid JSON ({reason}); it was read as plain text": (
        "不是有效的 JSON（{reason}），已按纯文本读取"
    ),
    "line {line}, column {column}: {error}": "第 {line} 行第 {column} 列：{error}",
    "{count} of its lines {are} no JSON, the first is line {line}": (
        "其中 {count} 行不是 JSON，第一处在第 {line} 行"
    ),
    "it is no valid XML; it was read as plain text": "不是有效的 XML；已按纯文本读取",
    "its XML is damaged at line {line}; it was read as far as it could be": (
        "其 XML 在第 {line} 行损坏；已尽可能读取"
    ),
    "a quotation mark in it is never closed: its quotation marks were read as text": (
        "其中有引号没有闭合：引号已按文字读取"
    ),
    "the rows from {row} on are left out: of one table {count} cells are read": (
        "第 {row} 行起被略去：一个表读取 {count} 个单元格"
    ),
    "the times of {count} of its cues are damaged: they stand below those before them": (
        "其中 {count} 条字幕的时间已损坏：它们并入前一条字幕之下"
    ),
    "no line with two times was found: it was read as plain text": ("没有找到带起止时间的行：已按纯文本读取"),
    "there are no subtitles in it: no line with two times was found": "其中没有字幕：没有找到带起止时间的行",
    # the folder
    "the folder cannot be read: {error}": "文件夹无法读取：{error}",
    "it cannot be looked at: {error}": "无法查看：{error}",
    "it is a link that leads nowhere": "这是一个指向不存在之处的链接",
    "it is a link that leads out of the folder; copy the file itself here": (
        "这是一个指向文件夹之外的链接；请把文件本身复制到这里"
    ),
    "its text holds characters that no encoding has": "其文字含有任何编码都没有的字符",
    "the disk that was mounted in it is missing; mount it, or remove the folder if its documents are gone "
    "for good": "原先挂载于此的磁盘不见了；请挂载它，若其中的文档已不复存在，请删除此文件夹",
    "its {name} is larger than {count} MB": "其中的 {name} 超过 {count} MB",
    "its {name} cannot be read: {error}": "其中的 {name} 无法读取：{error}",
    "its {name} is not UTF-8; save it as UTF-8": "其中的 {name} 不是 UTF-8；请另存为 UTF-8",
    "its {name} has a line that is no gitignore pattern: {error}": (
        "其中的 {name} 有一行不是 gitignore 模式：{error}"
    ),
}

"""Why a question was not answered, or the documents are not in sync."""

from __future__ import annotations

from typing import Final

ERRORS: Final = {
    # the question
    "the question is empty; type one": "问题是空的；请输入问题",
    "the question has {count} characters; ask in at most {most}, and put longer text into a document": (
        "问题有 {count} 个字符；请用不超过 {most} 个字符提问，更长的文字请放进文档"
    ),
    "the question does not fit the model's {count} tokens; ask a shorter one": (
        "问题超出模型的 {count} 个词元；请问得短一些"
    ),
    "no documents are indexed; put some into {folder} and run `rag sync`": (
        "还没有索引任何文档；请将文档放入 {folder} 并运行 `rag sync`"
    ),
    # where it is searched
    "no indexed document is in {name}": "{name} 中没有已索引的文档",
    "no indexed document is in {name}; did you mean {path}?": "{name} 中没有已索引的文档；您是指 {path} 吗？",
    "no indexed document is in {name}; `rag status` lists them all": (
        "{name} 中没有已索引的文档；`rag status` 会列出全部"
    ),
    "no indexed document is of type {name}; there are: {path}": (
        "没有 {name} 类型的已索引文档；现有：{path}"
    ),
    "the question is no text but {kind}; pass a str": "问题不是文本，而是 {kind}；请传入字符串",
    "{day} is no day; write it as 2024-01-31": "{day} 不是日期；请写成 2024-01-31 的形式",
    "no day lies between {since} and {until}; swap them": "{since} 与 {until} 之间没有日子；请对调",
    # the engine and its model
    "the stream ended without an answer": "回答中断，没有得到答案",
    "the engine's stream ended without an answer": "引擎中断，没有得到答案",
    "{model} failed while {doing}: {error}; ask again": "{model} {doing}时出错：{error}；请再问一次",
    "{count} tokens and an answer are more than {model} has room for": (
        "{count} 个词元加上回答超出 {model} 的容量"
    ),
    "{count} tokens and a continuation are more than {model} has room for": (
        "{count} 个词元加上续文超出 {model} 的容量"
    ),
    "the prompt takes {count} tokens and the answer up to {answer}, but {model} has room for {room}; "
    "give fewer passages or lower max_tokens": (
        "提示占 {count} 个词元，回答至多 {answer} 个，而 {model} 只容 {room} 个；请减少段落或调低 max_tokens"
    ),
    "the prompt takes {count} tokens and its continuation {number}, but {model} has room for {room}; "
    "give a shorter passage": (
        "提示占 {count} 个词元，续文占 {number} 个，而 {model} 只容 {room} 个；请给出更短的段落"
    ),
    "max_tokens={count} leaves no room for passages in the {room} tokens of {model}; lower it": (
        "max_tokens={count} 使 {model} 的 {room} 个词元容不下段落；请调低它"
    ),
    "engine {engine} needs the package {package}: {advice}": "引擎 {engine} 需要软件包 {package}：{advice}",
    "the ipex engine needs Linux on x86-64; RAG_ENGINE=echo tries the rest without a model": (
        "ipex 引擎需要 x86-64 上的 Linux；RAG_ENGINE=echo 可在没有模型时试用其余功能"
    ),
    "the package ipex-llm is not installed; run `make install`": (
        "软件包 ipex-llm 没有安装；请运行 `make install`"
    ),
    "{path} cannot be loaded: {error}; reinstall ipex-llm": "{path} 无法加载：{error}；请重新安装 ipex-llm",
    "{count} columns do not fill blocks of {size}; choose a model whose width is a multiple of it": (
        "{count} 列填不满大小为 {size} 的块；请选择宽度为其倍数的模型"
    ),
    "{path} is missing; run `rag models pull` to convert the model": (
        "缺少 {path}；请运行 `rag models pull` 转换模型"
    ),
    "{model} is not converted to {low_bit} yet; run `rag models pull {model_again}`": (
        "{model} 尚未转换为 {low_bit}；请运行 `rag models pull {model_again}`"
    ),
    "{path} is damaged: {error}; delete it and run `rag calibrate`": (
        "{path} 已损坏：{error}；请删除它并运行 `rag calibrate`"
    ),
    "{path} is damaged: {error}; delete it and run `rag models pull`": (
        "{path} 已损坏：{error}；请删除它并运行 `rag models pull`"
    ),
    "{path} is damaged: {error}; delete its folder and run `rag models pull`": (
        "{path} 已损坏：{error}；请删除其文件夹并运行 `rag models pull`"
    ),
    "{path} cannot be used: {error}; delete it and run `rag models pull`": (
        "{path} 无法使用：{error}；请删除它并运行 `rag models pull`"
    ),
    "{path} cannot be read: {error}; delete its folder and convert again": (
        "{path} 无法读取：{error}；请删除其文件夹并重新转换"
    ),
    "{file} is truncated": "{file} 不完整",
    "it was made by another version": "它由另一版本生成",
    "its manifest lacks {name}": "其清单缺少 {name}",
    "the model has no token {token}: it is not a chat model of a known family": (
        "模型没有词元 {token}：它不是已知系列的对话模型"
    ),
    "the model's chat template cannot be read: {error}; choose another model": (
        "模型的对话模板无法读取：{error}；请另选模型"
    ),
    "the model's chat template does not take the conversation: {error}; choose another model": (
        "模型的对话模板不接受这段对话：{error}；请另选模型"
    ),
    "the model has no chat template, and its vocabulary is of no family whose format is known; choose a chat "
    "model, or put its chat_template.jinja beside its weights": (
        "模型没有对话模板，其词表也不属于格式已知的系列；请选择对话模型，"
        "或将其 chat_template.jinja 放到权重旁边"
    ),
    "it leaves some of it out": "它略去了其中一部分",
    "another process is converting {name} to {path}; wait until it is done": (
        "另一个进程正在将 {name} 转换为 {path}；请等待其完成"
    ),
    "{path} cannot be written: {error}; free space or mend it": (
        "{path} 无法写入：{error}；请腾出空间或修正其权限"
    ),
    "{folder} has {free} GB free, but converting needs {need} GB; free some space and run it again": (
        "{folder} 剩余 {free} GB，而转换需要 {need} GB；请腾出空间后重试"
    ),
    # the embedder
    "embedder {name} is not on this machine; fetch it with `rag models pull {name_again}`": (
        "本机没有嵌入模型 {name}；请用 `rag models pull {name_again}` 获取"
    ),
    "embedder {name} in {folder} cannot be loaded ({error}); delete the folder and fetch it again with "
    "`rag models pull {name_again}`": (
        "{folder} 中的嵌入模型 {name} 无法加载（{error}）；请删除该文件夹，再用 "
        "`rag models pull {name_again}` 重新获取"
    ),
    "reranker {name} is not on this machine; fetch it with `rag models pull {name_again}`": (
        "本机没有重排模型 {name}；请用 `rag models pull {name_again}` 获取"
    ),
    "reranker {name} in {folder} cannot be loaded ({error}); delete the folder and fetch it again with "
    "`rag models pull {name_again}`": (
        "{folder} 中的重排模型 {name} 无法加载（{error}）；请删除该文件夹，再用 "
        "`rag models pull {name_again}` 重新获取"
    ),
    "reranker {name} gives {count} scores for a passage, not one; choose a cross-encoder made for "
    "reranking": ("重排模型 {name} 对每个段落给出 {count} 个分数，而不是一个；请另选用于重排的交叉编码器"),
    "{name} is no model: {error}": "{name} 不是模型：{error}",
    "{name} is no model: not in the catalogue, no path, and no hub id of the form org/name; {advice}": (
        "{name} 不是模型：不在目录中，不是路径，也不是 org/name 形式的名称；{advice}"
    ),
    "did you mean {name}?": "您是指 {name} 吗？",
    "the catalogue has {names}": "目录中有 {names}",
    "{name} is neither a model folder nor a GGUF file; check the path": (
        "{name} 既不是模型文件夹也不是 GGUF 文件；请检查路径"
    ),
    "{setting}={name}: {known} is {kind}; choose another {setting_again}": (
        "{setting}={name}：{known} 是 {kind}；请另选 {setting_again}"
    ),
    "{path} is a GGUF file; {kind} has to be a sentence-transformers folder": (
        "{path} 是 GGUF 文件；{kind}须为 sentence-transformers 文件夹"
    ),
    "{path} holds pickled weights, which can run any code when loaded; put safetensors or GGUF there": (
        "{path} 中是 pickle 权重，加载时可运行任意代码；请改放 safetensors 或 GGUF"
    ),
    "{path} lacks config.json, a tokenizer or model.safetensors; copy all of it there": (
        "{path} 缺少 config.json、分词器或 model.safetensors；请将其完整复制到那里"
    ),
    "{path} is a LoRA adapter, not a whole model; set it as `adapter`, and as `model` {model}": (
        "{path} 是 LoRA 适配器，而非完整的模型；请将其设为 `adapter`，并将 `model` 设为 {model}"
    ),
    "{path} is a whole model, not a LoRA adapter; set it as `model`": (
        "{path} 是完整的模型，而非 LoRA 适配器；请将其设为 `model`"
    ),
    "the adapter {path} has pickled weights, which can run any code when loaded; have PEFT save it as "
    "safetensors": "适配器 {path} 中是 pickle 权重，加载时可运行任意代码；请让 PEFT 将其存为 safetensors",
    "{path} lacks adapter_config.json or adapter_model.safetensors; copy all of the adapter there": (
        "{path} 缺少 `adapter_config.json` 或 `adapter_model.safetensors`；请将适配器完整复制到那里"
    ),
    # the folder of documents
    "{path} exists and is no exported index; name another file": (
        "{path} 已存在且不是导出的索引；请换一个文件名"
    ),
    "{path} is a file; set RAG_DATA_DIR to the folder it is in": (
        "{path} 是文件；请把 RAG_DATA_DIR 设为它所在的文件夹"
    ),
    "the data folder {folder} does not exist; create it or set RAG_DATA_DIR to another": (
        "文档文件夹 {folder} 不存在；请创建它，或将 RAG_DATA_DIR 设为另一文件夹"
    ),
    "the data folder {folder} cannot be read: {error}; mend its permissions": (
        "文档文件夹 {folder} 无法读取：{error}；请修正其权限"
    ),
    "the data folder {folder} is not read: {error}; mend or remove it": (
        "文档文件夹 {folder} 没有读取：{error}；请修正或删除它"
    ),
    "the data folder {folder} is empty and not the one of the last sync, as when its disk is not mounted; "
    "mount it, or run `rag sync --rebuild` if its documents are gone for good": (
        "文档文件夹 {folder} 是空的，且不是上次同步的那个，像是磁盘没有挂载；"
        "请挂载它，若其中的文档已不复存在，请运行 `rag sync --rebuild`"
    ),
    "{folder} could not be followed ({error}); see the log": "无法跟踪 {folder}（{error}）；请查看日志",
    "{name} is not a document of {folder}": "{name} 不是 {folder} 中的文档",
    "{name} is not a file of {folder}": "{name} 不是 {folder} 中的文件",
    "{name} is named like a hidden or temporary file, which is not read; rename it": (
        "{name} 的名称像隐藏文件或临时文件，不会被读取；请改名"
    ),
    "{name} could not be kept in {folder}: {error}": "{name} 无法存入 {folder}：{error}",
    "{name} could not be deleted: {error}": "{name} 无法删除：{error}",
    # the index
    "{name} is not an indexed document; `rag sync` brings the index up to date": (
        "{name} 不是已索引的文档；`rag sync` 可更新索引"
    ),
    "{name} gave vectors of shape {shape}, not {wanted}, for {folder}; choose another embedder": (
        "{name} 为 {folder} 给出的向量形状是 {shape}，而不是 {wanted}；请另选嵌入模型"
    ),
    "the index in {folder} was made with {made}, but the settings ask for {wanted}; run `rag sync` to bring "
    "it up to date": "{folder} 中的索引由 {made} 生成，而设置要求 {wanted}；请运行 `rag sync` 更新",
    "embedder {name} ({count} dimensions), passage_tokens={tokens}, format {format}": (
        "嵌入模型 {name}（{count} 维），passage_tokens={tokens}，格式 {format}"
    ),
    "the index in {folder} is damaged ({detail}); run `rag sync --rebuild`: it sets the damaged file aside "
    "and builds the index anew from your documents": (
        "{folder} 中的索引已损坏（{detail}）；请运行 `rag sync --rebuild`："
        "它会将损坏的文件移到一旁，并用您的文档重建索引"
    ),
    "its manifest cannot be read": "其清单无法读取",
    "its file is gone": "其文件已不在",
    "vectors of a wrong length": "向量长度不对",
    "cannot write to {folder}: {error}; free some space or mend its permissions": (
        "无法写入 {folder}：{error}；请腾出空间或修正其权限"
    ),
    "cannot use the index in {folder}: {reason} (nothing indexed is lost)": (
        "无法使用 {folder} 中的索引：{reason}（已索引的内容没有丢失）"
    ),
    "the disk is full; free some space": "磁盘已满；请腾出空间",
    "it is read-only; allow writing to it or set RAG_INDEX_DIR to another folder": (
        "它是只读的；请允许写入，或将 RAG_INDEX_DIR 设为另一文件夹"
    ),
    "it may not be accessed; mend its permissions": "没有访问权限；请修正其权限",
    "mend its permissions or set RAG_INDEX_DIR to another folder": (
        "请修正其权限，或将 RAG_INDEX_DIR 设为另一文件夹"
    ),
    "the disk failed or is full; free some space or check the disk": ("磁盘出错或已满；请腾出空间或检查磁盘"),
    "the index in {folder} is being written by another process; try again shortly": (
        "另一个进程正在写入 {folder} 中的索引；请稍后重试"
    ),
    "{folder} is being synced by {who}; wait for it to end, then try again": (
        "{who}正在同步 {folder}；请等其结束后重试"
    ),
    "process {pid} on {host} since {time}": "{host} 上的进程 {pid}（始于 {time}）",
}

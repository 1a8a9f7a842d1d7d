"""Why an engine, or the server behind it, does not answer."""

from __future__ import annotations

from typing import Final

ENGINES: Final = {
    "engine={engine} cannot merge adapter={name}; use --engine {other}": (
        "引擎 {engine} 无法合并适配器 {name}；请使用 `--engine {other}`"
    ),
    "{name} is not on this machine; run `rag models pull {name_again}`": (
        "本机没有 {name}；请运行 `rag models pull {name_again}`"
    ),
    "{name} is here as safetensors, and this engine reads GGUF files only; name one in --model, or use "
    "--engine ipex": (
        "{name} 在本机是 safetensors，而此引擎只读 GGUF 文件；请用 --model 指定一个，或使用 --engine ipex"
    ),
    "{path} lacks {name}: not a whole model; fetch it again": "{path} 缺少 {name}：模型不完整；请重新获取",
    "transformers cannot load {path}: {error}; {advice}": "transformers 无法加载 {path}：{error}；{advice}",
    "choose another model, or another engine": "请另选模型或引擎",
    "it brings code of its own: set trust_remote_code if you trust it": (
        "它自带代码：如果信任它，请设置 `trust_remote_code`"
    ),
    "{path} is of a family that transformers does not have; choose another engine": (
        "{path} 所属的系列 transformers 没有；请另选引擎"
    ),
    # llama.cpp
    "{path} has the head of Baichuan 2 as it was trained, which llama.cpp does not normalise; use --engine "
    "ipex or --engine hf": (
        "{path} 中 Baichuan 2 的输出层未经归一化，而 `llama.cpp` 不会归一化它；"
        "请使用 `--engine ipex` 或 `--engine hf`"
    ),
    "llama.cpp cannot load {path}: {error}; fetch it again": (
        "`llama.cpp` 无法加载 {path}：{error}；请重新获取"
    ),
    "llama.cpp cannot use {path}: {error}; close other programs": (
        "`llama.cpp` 无法使用 {path}：{error}；请关闭其他程序"
    ),
    "llama.cpp could not read on: {error} (status {number}); ask again": (
        "`llama.cpp` 读取中断：{error}（状态 {number}）；请再问一次"
    ),
    "no layer was asked to be looked at when the model was opened": "打开模型时没有指定要观察的层",
    # OpenVINO
    "{path} cannot be loaded by OpenVINO: {error}; fetch or convert it again, or free some memory": (
        "OpenVINO 无法加载 {path}：{error}；请重新获取或转换，或腾出内存"
    ),
    "{name} is not converted for OpenVINO yet; run `rag models pull {name_again}`": (
        "{name} 还没有为 OpenVINO 转换；请运行 `rag models pull {name_again}`"
    ),
    "converting for OpenVINO needs the package {package}: {advice}; without it a GGUF file of a kind that "
    "OpenVINO reads (Q4_K_M, Q8_0), or a folder that is converted already, can be used": (
        "为 OpenVINO 转换需要软件包 {package}：{advice}；没有它时，可使用 OpenVINO 能读的 GGUF 文件"
        "（Q4_K_M、Q8_0）或已转换的文件夹"
    ),
    "{path} is missing; copy all of the model's folder there": "缺少 {path}；请将模型的文件夹完整复制到那里",
    # a server
    "the prompt takes {count} tokens and the answer up to {answer}, but {model} has room for {room}; "
    "give fewer passages, lower max_tokens, or set openai_context if the server has more": (
        "提示占 {count} 个词元，回答至多 {answer} 个，而 {model} 只容 {room} 个；"
        "请减少段落、调低 max_tokens，或在服务器容量更大时设置 openai_context"
    ),
    "{name} does not serve {model} but {names}; set model": (
        "{name} 提供的不是 {model}，而是 {names}；请设置 `model`"
    ),
    "openai_url is no address of an API; write it as in {address}": (
        "openai_url 不是 API 的地址；请写成 {address} 的形式"
    ),
    "openai_url holds a user or password; put the key into openai_key": (
        "openai_url 中有用户名或密码；请将密钥放入 openai_key"
    ),
    "openai_key holds a space or another character that no key has; correct it": (
        "openai_key 中有空格或密钥不会有的字符；请更正"
    ),
    "{name} broke off in the middle of its answer; see the server's log, and ask again": (
        "{name} 回答到一半中断；请查看服务器日志，再问一次"
    ),
    "{name} failed while answering: {error}; see the server's log": (
        "{name} 回答时出错：{error}；请查看服务器日志"
    ),
    "{name} withholds this answer by its content filter; ask otherwise": (
        "{name} 的内容过滤拦下了这个回答；请换种问法"
    ),
    "{name} could not be asked: {error}; ask again": "无法向 {name} 提问：{error}；请再问一次",
}

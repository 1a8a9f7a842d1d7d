"""How a model is spoken to: its chat template and the tokens that end its answers, beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rag.errors import ModelError
from rag.tokenizer.formats import CHATML, find_format
from rag.weights.architectures import QWEN2

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE: Final = "chat.json"
NAMED: Final = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a checkpoint says of it."""

    template: str = ""  # where it has none
    tokens: Mapping[str, str] = field(default_factory=dict)  # special tokens that the template may name
    ends: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """What a conversion keeps of it."""

    template: str
    tokens: Mapping[str, str]
    ends: tuple[str, ...]
    system: str  # where a prompt has no system message


# Of conversions that were made when ChatML was all there was.
UNTOLD: Final = ChatSettings(template=CHATML.template, tokens={}, ends=CHATML.ends, system=CHATML.system)


def read_settings(folder: Path) -> ChatSettings:
    """Return those of a conversion.

    Raises:
        ModelError: when they are damaged.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return ChatSettings(**{**found, "ends": tuple(found["ends"])})
    except FileNotFoundError:
        return UNTOLD
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise ModelError(f"{path} cannot be read: {exc}; delete its folder and convert again") from exc


def settle(said: Said, tokenizer_json: str, kind: str) -> bytes:
    """Return the file's content: what the checkpoint says, and what its family does where it says nothing.

    Raises:
        ModelError: when it has no template, and its vocabulary is not of a family whose format is known.
    """
    from tokenizers import Tokenizer

    tokenizer: Tokenizer = Tokenizer.from_str(tokenizer_json)
    known = find_format(lambda token: tokenizer.token_to_id(token) is not None)
    if known is None and not said.template:
        raise ModelError(
            "the model has no chat template, and its vocabulary is of no family whose format is known; "
            "choose a chat model, or put its chat_template.jinja beside its weights"
        )
    ends = [tokenizer.id_to_token(number) for number in said.ends]
    ends += [token for token in (known.ends if known else ()) if tokenizer.token_to_id(token) is not None]
    settings = ChatSettings(
        template=said.template or (known.template if known else ""),
        tokens=said.tokens,
        ends=tuple(dict.fromkeys(end for end in ends if end)),
        system=known.system if known and (kind == QWEN2.kind or not said.template) else "",
    )
    return json.dumps(asdict(settings), ensure_ascii=False, indent=1).encode()


def said_by_folder(folder: Path) -> Said:
    """Read tokenizer_config.json, chat_template.jinja, generation_config.json and config.json."""
    tokenizer = _read(folder / "tokenizer_config.json")
    template = _one(
        tokenizer.get("chat_template") or _read(folder / "chat_template.json").get("chat_template")
    )
    if (path := folder / "chat_template.jinja").is_file():
        template = path.read_text(encoding="utf-8")
    named = {name: tokenizer[name] for name in NAMED if tokenizer.get(name)}
    tokens = {name: token if isinstance(token, str) else token["content"] for name, token in named.items()}
    ends: list[int] = []
    for name in ("generation_config.json", "config.json"):
        found = _read(folder / name).get("eos_token_id")
        ends += found if isinstance(found, list) else [found] if found is not None else []
    return Said(template=template, tokens=tokens, ends=tuple(dict.fromkeys(ends)))


def said_by_gguf(metadata: Mapping[str, Any]) -> Said:
    """Read a GGUF's metadata."""
    ids = {name: metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "unknown", "eot")}
    vocabulary = metadata["tokenizer.ggml.tokens"]
    names = {"bos_token": ids["bos"], "eos_token": ids["eos"], "unk_token": ids["unknown"]}
    return Said(
        template=metadata.get("tokenizer.chat_template", ""),
        tokens={name: vocabulary[number] for name, number in names.items() if number is not None},
        ends=tuple(number for number in (ids["eos"], ids["eot"]) if number is not None),
    )


def _one(template: Any) -> str:
    """Return the template for conversations, of several with a name."""
    if isinstance(template, list):
        named = {each["name"]: each["template"] for each in template}
        template = named.get("default") or next(iter(named.values()), "")
    return template if isinstance(template, str) else ""


def _read(path: Path) -> dict[str, Any]:
    """Return a JSON object; {} where there is none."""
    if not path.is_file():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}

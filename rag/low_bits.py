"""The low-bit types of weights: which run on a CPU, and why ipex-llm's others don't."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from rag.errors import ModelError

Runnable: TypeAlias = Literal["sym_int4", "asym_int4", "sym_int5", "asym_int5", "sym_int8"]
RUNNABLE: Final[tuple[str, ...]] = get_args(Runnable)
CHOICE: Final = f"{', '.join(RUNNABLE[:-1])} or {RUNNABLE[-1]}"

# Found by calling ipex-llm 2.2.0's libraries with each of its types; a test does so again.
NO_PRODUCT: Final = frozenset(
    {"nf4", "nf3", "fp4", "fp6", "fp6_k", "fp8", "fp8_e4m3", "fp8_e5m2", "q2_k", "q4_k", "q5_k", "q6_k"}
    | {"sym_int4_rtn", "sym_int8_rtn", "asym_int4_rtn"}
    | {"gguf_iq2_xxs", "gguf_iq2_xs", "gguf_iq1_s", "gguf_iq1_m"}
)
NO_FORMAT: Final = frozenset({"mixed_fp4", "mixed_fp8", "gguf_q4k_s", "gguf_q4k_m"})
FLOATS: Final = frozenset({"fp16", "bf16"})
TWINS: Final = {"woq_int4": "sym_int4"}


def why_not(name: object) -> str:
    """Return why ipex-llm's type of that name does not run here, or "" for all other names."""
    if name in NO_PRODUCT:
        return "ipex-llm's CPU library cannot multiply it"
    if name in NO_FORMAT:
        return "it mixes types from layer to layer that ipex-llm's CPU library cannot multiply"
    if name in FLOATS:
        return "it keeps whole floats, which ipex-llm leaves to PyTorch: there is nothing to convert"
    if name in TWINS:
        return f"on a CPU it holds the same bytes as {TWINS[str(name)]}"
    return ""


def require_runnable(name: str) -> None:
    """Check that weights of that type can be multiplied.

    Raises:
        ModelError: with the reason why they cannot.
    """
    if name not in RUNNABLE:
        reason = why_not(name) or "ipex-llm has no such type"
        raise ModelError(f"low_bit={name!r} cannot be used: {reason}; choose {CHOICE}")


def _explained(value: object) -> object:
    if reason := why_not(value) if isinstance(value, str) else "":
        raise PydanticCustomError(
            "low_bit", "{reason}; choose {choice}", {"reason": reason, "choice": CHOICE}
        )
    return value


LowBit: TypeAlias = Annotated[Runnable, BeforeValidator(_explained)]

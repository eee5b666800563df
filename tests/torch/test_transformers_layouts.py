"""The modules of Hugging Face's that the table knows, in tiny models made here."""

from __future__ import annotations

from typing import Any

import pytest
import torch

transformers = pytest.importorskip("transformers")

from feasible import MaxNorm, NonNeg  # noqa: E402
from feasible.torch import check, constrain, layouts_of  # noqa: E402

SIZES = {"vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
LLAMA_SIZES = {**SIZES, "intermediate_size": 12, "num_key_value_heads": 2}


def test_each_kernel_of_a_gpt2_is_bound_and_the_tied_head_once() -> None:
    config = transformers.GPT2Config(vocab_size=11, n_positions=6, n_embd=8, n_layer=1, n_head=2)
    model = transformers.GPT2LMHeadModel(config)
    report = constrain(model, kernel=MaxNorm(0.1, axis="unit"))
    assert {row.parameter: (row.vectors, row.length) for row in report.rows} == {
        "transformer.h.0.attn.c_attn.weight": (24, 8),
        "transformer.h.0.attn.c_proj.weight": (8, 8),
        "transformer.h.0.mlp.c_fc.weight": (32, 8),
        "transformer.h.0.mlp.c_proj.weight": (8, 32),
        "lm_head.weight": (11, 8),
    }
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    tokens = torch.tensor([[1, 2, 3]])
    model(tokens, labels=tokens).loss.backward()
    optimizer.step()
    assert check(model).ok
    assert (model.transformer.wte.weight.norm(dim=1) <= 0.1 * (1 + 1e-6)).all()


def test_the_tied_head_of_a_gpt2_can_be_left_out() -> None:
    config = transformers.GPT2Config(vocab_size=11, n_positions=6, n_embd=8, n_layer=1, n_head=2)
    model = transformers.GPT2LMHeadModel(config)
    rules = {"lm_head.weight": None}
    report = constrain(model, rules, kernel=MaxNorm(1, axis="unit"))
    assert len(report.rows) == 4
    assert report.notes == ("'lm_head.weight': None leaves out lm_head.weight",)


@pytest.mark.parametrize(
    ("name", "norms", "note"),
    [("Llama", 3, ""), ("Mistral", 3, ""), ("Qwen2", 3, ""), ("Gemma", 3, "stored less 1")],
)
def test_norms_of_a_family_are_gammas(name: str, norms: int, note: str) -> None:
    config = getattr(transformers, f"{name}Config")(**LLAMA_SIZES, pad_token_id=0)
    model = getattr(transformers, f"{name}ForCausalLM")(config)
    report = constrain(model, {"*embed*": None, "lm_head.*": None}, gamma=NonNeg(), kernel=NonNeg())
    rows = [row for row in report.rows if "norm" in row.parameter]
    assert len(rows) == norms
    assert all(row.note.startswith(note) and bool(row.note) == bool(note) for row in rows)
    assert not any("passes over" in one for one in report.notes)


def test_the_norms_of_t5_have_no_beta() -> None:
    config = transformers.T5Config(
        vocab_size=11, d_model=8, d_kv=4, d_ff=12, num_layers=1, num_heads=2
    )
    model = transformers.T5EncoderModel(config)
    report = constrain(model, gamma=NonNeg())
    assert [row.parameter for row in report.rows] == [
        "encoder.block.0.layer.0.layer_norm.weight",
        "encoder.block.0.layer.1.layer_norm.weight",
        "encoder.final_layer_norm.weight",
    ]


def test_a_name_alone_makes_no_family() -> None:
    class LlamaRMSNorm(torch.nn.Module):
        weight: Any

    assert layouts_of(LlamaRMSNorm()) == ()

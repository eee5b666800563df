"""Writes the constraints declared on a model into the metadata of a safetensors file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from torch import nn

from feasible.checkpoints.mapped_file import MappedFile
from feasible.checkpoints.rule_json import RULES_KEY, rules_text
from feasible.checkpoints.safetensors_file import METADATA, safetensors_header
from feasible.replacing import replacing
from feasible.torch.bound_weights import Bound, constraints_of

_BLOCK = 2**24


def save_rules(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Write the constraints declared on a model into the file that holds its weights.

    The rules go into the metadata, with the layouts by which their axes are counted: so
    ``feasible check FILE`` needs no others, and takes no axis for another. Arrays and metadata stay
    as they are, and the file is replaced when the new one is whole.

    Args:
        model: The model.
        path: A safetensors file of its weights, under the names of its state_dict.

    Raises:
        FileNotFoundError: If there is no such file: save the weights first.
        CheckpointError: If it is not a safetensors file.
        ValueError: If nothing is declared, the file lacks a constrained parameter, or a constraint
            cannot be checked from the file: because it is computed from other parameters, is
            constrained together with others, or changes over time.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from safetensors.torch import save_file
        >>> from feasible import MaxNorm
        >>> from feasible.checkpoints import check_checkpoint
        >>> from feasible.torch import constrain
        >>> model = nn.Linear(3, 2)
        >>> _ = constrain(model, {"weight": MaxNorm(1, axis="unit")}, project=True)
        >>> with TemporaryDirectory() as folder:
        ...     save_file(model.state_dict(), f"{folder}/m.safetensors")
        ...     save_rules(model, f"{folder}/m.safetensors")
        ...     check_checkpoint(f"{folder}/m.safetensors").ok
        True
    """
    bounds = constraints_of(model).values()
    if not bounds:
        raise ValueError(f"{os.fspath(path)}: nothing is declared on the model. Constrain it first")
    file = MappedFile(Path(path))
    try:
        header, start = safetensors_header(file)
        rules = [
            (bound.name.partition("[")[0], bound.constraint, bound.layout)
            for bound in bounds
            if _is_writable(bound)
        ]
        missing = [name for name, _, _ in rules if name not in header]
        if missing:
            raise ValueError(
                f"{os.fspath(path)}: it lacks {', '.join(missing[:8])}, which the model constrains."
            )
        metadata = {**header.get(METADATA, {}), RULES_KEY: rules_text(rules)}
        content = json.dumps({**header, METADATA: metadata}).encode()
        content += b" " * (-len(content) % 8)
        with replacing(path) as new:
            new.write(len(content).to_bytes(8, "little") + content)
            for offset in range(start, file.size, _BLOCK):
                new.write(file.read(offset, min(_BLOCK, file.size - offset)))
    finally:
        file.close()


def _is_writable(bound: Bound) -> bool:
    """Return whether a file can say what holds for a weight, and raise otherwise."""
    declaration = bound.declaration
    problem = None
    if bound.weight.tensor is not bound.weight.trained[0]:
        problem = "is computed from other parameters, so that the file does not hold it"
    elif declaration is not None and declaration.joint is not None:
        problem = "is constrained together with others, which a rule in a file cannot say"
    elif declaration is not None and declaration.timing and declaration.timing.changes:
        problem = "has a bound that changes"
    if problem is not None:
        raise ValueError(f"{bound.name} {problem}. Release it, or write the rules by hand.")
    return True

"""Carries constraints over to the modules that their parameters have moved to, and knows the lost.

A module may be replaced by one that has the same parameter, as quantization does; or by one that
has another, and then its constraint is lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from torch import nn

from feasible.torch.declarations import Declaration, attach, constraints_on, declared, orphans
from feasible.torch.weights import identity_of

_ATTRIBUTE = "_feasible_declared"


def adopt_orphans(model: nn.Module) -> None:
    """Declare on a model's modules what was declared for parameters of theirs on modules now gone.

    Args:
        model: The model.
    """
    # Copied at once: a garbage collection in between may add some, or remove some.
    known = list(orphans)
    if not known:
        return
    keys: dict[int, list[tuple[int, str | None]]] = defaultdict(list)
    for key in known:
        keys[key[0]].append(key)
    for module in model.modules():
        for name, parameter in module._parameters.items():
            for key in keys.pop(id(parameter), []):
                found = orphans.pop(key, None)
                if found is None:
                    continue
                _, declaration = found
                if declaration.layout.parameter != name:
                    layout = replace(declaration.layout, parameter=name)
                    declaration.resolved = declaration.planned = None
                    declaration.layout = layout
                if declaration.layout.key not in constraints_on(module):
                    attach(module, declaration)


def note_declared(model: nn.Module, name: str, declaration: Declaration) -> None:
    """Note on a model what is declared for one of its parameters, to know if it is lost.

    Args:
        model: The model.
        name: The parameter's name in it.
        declaration: What is declared.
    """
    if _ATTRIBUTE not in vars(model):
        # Past nn.Module's own attribute handling, which has nothing to do with it.
        object.__setattr__(model, _ATTRIBUTE, {})
    vars(model)[_ATTRIBUTE][name] = declaration


def lost_declarations(model: nn.Module) -> Iterator[tuple[str, Declaration]]:
    """Return what was declared on a model by its parameters' names, and is no longer there.

    Args:
        model: The model.

    Yields:
        The name that the parameter had, and what was declared for it.
    """
    parameters = {id(parameter) for parameter in model.parameters()}
    there = {
        id(declaration)
        for module in model.modules()
        for declaration in constraints_on(module).values()
    } | {
        # On a module that was replaced by one with the same parameter.
        id(declaration)
        for module, declaration in declared()
        if id(identity_of(module, declaration.layout.parameter)) in parameters
    }
    for prefix, module in model.named_modules():
        for name, declaration in vars(module).get(_ATTRIBUTE, {}).items():
            if id(declaration) not in there and not declaration.is_released:
                yield f"{prefix}.{name}".lstrip("."), declaration

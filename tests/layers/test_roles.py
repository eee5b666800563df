"""Weights and constraints of a layer by what they are to it."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from feasible.arguments import InvalidArgumentError
from feasible.constraints import MaxNorm, NonNeg, UnitNorm
from feasible.layers import Conv2D, Dense, Embedding

X = torch.randn(8, 3)


class Clip(nn.Module):
    """A constraint that is a module."""

    def __init__(self):
        super().__init__()
        self.register_buffer("limit", torch.tensor(0.1))

    def forward(self, w):
        return w.clamp(-self.limit, self.limit)


def built(*arguments, **others):
    layer = Dense(*arguments, **others)
    layer(X)
    return layer


def step(layer, x=X):
    optimizer = torch.optim.SGD(layer.parameters(), lr=10.0)
    layer(x).square().sum().backward()
    optimizer.step()


class TestWeights:
    @pytest.mark.parametrize("name", ["kernel", "weight", "bias"])
    def test_weights_are_not_there_before(self, name):
        layer = Dense(2, name="head")
        assert not hasattr(layer, name)
        with pytest.raises(AttributeError, match=f"head: `{name}` is made when the layer is built"):
            getattr(layer, name)
        layer(X)
        assert getattr(layer, name).ndim > 0

    def test_other_attributes_are_not_there_either(self):
        for layer in (Dense(2), built(2)):
            with pytest.raises(AttributeError, match="has no attribute 'gamma'"):
                _ = layer.gamma


class TestConstraints:
    @pytest.mark.parametrize(
        "constraint",
        [
            "non_neg",
            {"class_name": "NonNeg", "config": {}},
            {"module": "keras.constraints", "class_name": "NonNeg", "config": {}},
            NonNeg,
            NonNeg(),
            torch.relu,
            nn.ReLU(),
        ],
        ids=["name", "Keras 2", "Keras 3", "class", "instance", "function", "module"],
    )
    def test_one_may_be_given_in_any_form(self, constraint):
        layer = built(4, kernel_constraint=constraint, bias_constraint=constraint)
        step(layer)
        assert bool((layer.weight >= 0).all())
        assert bool((layer.bias >= 0).all())

    def test_a_new_one_holds_from_the_next_step(self):
        layer = built(4)
        layer.kernel_constraint = "non_neg"
        assert layer.kernel_constraint == NonNeg()
        assert bool((layer.weight < 0).any())
        step(layer)
        assert bool((layer.weight >= 0).all())
        layer.kernel_constraint = UnitNorm(axis=0)
        step(layer)
        torch.testing.assert_close(layer.kernel.norm(dim=0), torch.ones(4))
        layer.kernel_constraint = None
        step(layer)
        assert not torch.allclose(layer.kernel.norm(dim=0), torch.ones(4))

    def test_a_module_is_no_part_of_the_layer(self):
        layer = built(2, kernel_constraint=Clip())
        assert list(layer.state_dict()) == ["weight", "bias"]
        assert list(layer.children()) == []
        step(layer)
        assert float(layer.weight.detach().abs().max()) == pytest.approx(0.1)

    @pytest.mark.parametrize(("name", "shape"), [("kernel", r"\(3, 2\)"), ("bias", r"\(2,\)")])
    def test_an_axis_that_the_weight_lacks_is_refused_when_it_is_built(self, name, shape):
        layer = Dense(2, **{f"{name}_constraint": MaxNorm(2, axis=2)})
        message = rf"dense\.\w+, the {name}: MaxNorm: `axis` .*axis=2 for a weight of shape {shape}"
        for _ in range(2):
            with pytest.raises(ValueError, match=message):
                layer(X)
        setattr(layer, f"{name}_constraint", None)
        assert layer(X).shape == (8, 2)

    def test_or_when_it_is_assigned(self):
        layer = built(2, kernel_constraint="non_neg")
        with pytest.raises(ValueError, match="the kernel: MaxNorm: `axis` must"):
            layer.kernel_constraint = MaxNorm(2, axis=2)
        assert layer.kernel_constraint == NonNeg()

    def test_what_is_none_is_refused(self):
        with pytest.raises(ValueError, match="Did you mean 'NonNeg'"):
            Dense(2, kernel_constraint="nonnegg")
        with pytest.raises(InvalidArgumentError, match="3"):
            Dense(2, kernel_constraint=3)

    def test_a_doubtful_axis_is_warned_of_once(self):
        layer = Conv2D(4, 3, kernel_constraint="max_norm")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            layer(torch.randn(2, 5, 5, 3))
            for _ in range(3):
                step(layer, torch.randn(2, 5, 5, 3))
        assert len(caught) == 1
        assert 'axis="unit" takes one a unit: 4 vectors of 27' in str(caught[0].message)

    def test_units_are_those_of_the_layer(self):
        layer = Embedding(5, 3, embeddings_constraint=UnitNorm(axis="unit"))
        layer(torch.arange(5))
        step(layer, torch.arange(5))
        torch.testing.assert_close(layer.weight.norm(dim=1), torch.ones(5))


def test_what_is_assigned_to_a_weights_constraint_is_the_layers() -> None:
    layer = Dense(2, kernel_constraint="max_norm", input_shape=(3,))
    layer(torch.ones(1, 3))
    layer.kernel.constraint = NonNeg()
    assert layer.kernel_constraint == NonNeg()
    layer.kernel.constraint = None
    assert layer.kernel_constraint is None
    assert type(layer.kernel) is torch.Tensor

"""What every layer shares, looked at on small ones."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from feasible.constraints import MaxNorm
from feasible.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    EinsumDense,
    Flatten,
    GroupNormalization,
    Layer,
    LayerNormalization,
    PReLU,
    Reshape,
    Softmax,
)

X = torch.randn(8, 3)


def built(*arguments, **others):
    layer = Dense(*arguments, **others)
    layer(X)
    return layer


def step(layer, x=X):
    optimizer = torch.optim.SGD(layer.parameters(), lr=10.0)
    layer(x).square().sum().backward()
    optimizer.step()


class TestInputs:
    @pytest.mark.parametrize(
        "inputs",
        [
            np.ones((2, 3)),
            np.ones((2, 3), np.float32),
            np.ones((2, 3), np.int8),
            np.broadcast_to(np.ones(3), (2, 3)),
            np.ones((2, 3))[:, ::-1],
            np.ones((3, 2)).T,
            [[1.0, 1.0, 1.0]] * 2,
            [[1, 1, 1]] * 2,
        ],
        ids=lambda inputs: f"{type(inputs).__name__}",
    )
    def test_arrays_are_taken(self, inputs):
        layer = Dense(2)
        expected = layer(torch.ones(2, 3))
        assert torch.equal(layer(inputs), expected)
        assert torch.equal(copy.deepcopy(layer)(inputs), expected)
        assert Dense(2)(inputs).dtype == torch.float32

    def test_inputs_are_cast_to_it(self):
        layer = built(2, dtype="float16")
        for dtype in (torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool):
            assert layer(torch.ones(2, 3, dtype=dtype)).dtype == torch.float16
        assert layer.to(torch.float64)(X).dtype == torch.float64

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64])
    def test_autocast_decides_where_it_is_on(self, dtype):
        layer = built(2)
        with torch.autocast("cpu", torch.bfloat16):
            assert layer(torch.ones(2, 3, dtype=dtype)).dtype == torch.bfloat16

    def test_double_precision_of_arrays_is_that_of_pytorch(self):
        assert Activation(None)(np.ones(3)).dtype == torch.float32
        assert Activation(None)(torch.ones(3, dtype=torch.float64)).dtype == torch.float64
        assert Dense(1, dtype="float64")(np.full((1, 1), 1 + 1e-12)).dtype == torch.float64

    def test_nothing_is_copied_that_need_not_be(self):
        assert Flatten()(X).data_ptr() == X.data_ptr()
        array = np.ones((2, 3), np.float32)
        assert Flatten()(array).data_ptr() == array.ctypes.data


class TestBuilding:
    def test_a_layer_that_was_first_evaluated_can_be_trained(self):
        layer = Dense(2)
        with torch.inference_mode():
            layer(X)
        step(layer)
        assert not layer.weight.is_inference()

    def test_the_first_input_says_where_the_weights_go(self):
        layer = Dense(2)
        layer(torch.ones(2, 3, device="meta"))
        assert layer.weight.device.type == "meta"

    def test_it_happens_once(self):
        layer = built(2)
        weight = layer.weight
        layer(X)
        layer.build_once((None, 5))
        assert layer.weight is weight
        assert layer.input_shape == (None, 3)

    def test_input_dim_is_short_for_an_input_shape(self):
        assert (
            Dense(2, input_dim=3).input_shape == Dense(2, input_shape=(3,)).input_shape == (None, 3)
        )
        assert Dense(2).input_shape is None

    def test_any_function_may_initialize(self):
        def ramp(shape, dtype=None):
            return np.arange(np.prod(shape)).reshape(shape)

        layer = built(2, kernel_initializer=ramp, bias_initializer=torch.ones)
        assert layer.kernel.tolist() == [[0, 1], [2, 3], [4, 5]]
        assert layer.bias.tolist() == [1, 1]
        assert layer.weight.requires_grad
        assert layer.weight.is_leaf

    @pytest.mark.parametrize("values", [0.0, [1.0, 2.0], [[1.0] * 3] * 2], ids=str)
    def test_initial_values_must_have_the_shape_of_the_weight(self, values):
        layer = Dense(2, kernel_initializer=lambda shape, dtype: np.array(values))
        with pytest.raises(
            ValueError, match=r"dense: the initializer of the kernel .*\(3, 2\)\. Rec"
        ):
            layer(X)


class TestTrainable:
    @pytest.mark.parametrize("when", ["made", "before", "after"])
    def test_a_frozen_layer_is_not_trained(self, when):
        layer = Dense(2, trainable=when != "made")
        if when == "before":
            layer.trainable = False
        layer(X)
        if when == "after":
            layer.trainable = False
        assert not layer.trainable
        assert not any(parameter.requires_grad for parameter in layer.parameters())
        layer.trainable = True
        assert all(parameter.requires_grad for parameter in layer.parameters())

    def test_states_are_not_trained(self):
        layer = BatchNormalization()
        layer(X)
        assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
        assert [name for name, _ in layer.named_buffers()] == ["running_mean", "running_var"]


class TestWeights:
    def test_they_go_both_ways_in_keras_order_and_layout(self):
        layer = BatchNormalization()
        layer(X)
        weights = [np.full(3, value) for value in (1.0, 2.0, 3.0, 4.0)]
        layer.set_weights(weights)
        for own, given in zip(layer.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(own, given)
        assert layer.gamma.tolist() == layer.weight.tolist() == [1.0] * 3
        assert layer.beta.tolist() == layer.bias.tolist() == [2.0] * 3
        assert layer.moving_mean.tolist() == layer.running_mean.tolist() == [3.0] * 3
        assert layer.moving_variance.tolist() == layer.running_var.tolist() == [4.0] * 3

    def test_they_are_copies(self):
        layer = built(2)
        kernel = layer.get_weights()[0]
        kernel[:] = 7
        assert not (layer.kernel == 7).any()

    def test_double_precision_is_kept(self):
        layer = built(1, use_bias=False, dtype="float64")
        layer.set_weights([np.full((3, 1), 1 + 1e-12)])
        assert layer.get_weights()[0][0, 0] == 1 + 1e-12

    def test_bfloat16_comes_as_float32(self):
        layer = built(2, dtype="bfloat16")
        assert [weight.dtype for weight in layer.get_weights()] == [np.float32] * 2

    def test_parameters_may_be_given(self):
        layer, other = built(2), built(2)
        layer.set_weights([other.kernel, other.bias])
        assert torch.equal(layer.weight, other.weight)

    @pytest.mark.parametrize(
        "shapes", [[], [(3, 2)], [(2, 3), (2,)], [(3, 2), (1,)], [(3, 2), (2,), (2,)]], ids=str
    )
    def test_what_does_not_fit_is_refused_and_nothing_changed(self, shapes):
        layer = built(2)
        before = layer.get_weights()
        message = r"kernel of shape \(3, 2\), bias of shape \(2,\)\. Received: shapes \["
        with pytest.raises(ValueError, match=message):
            layer.set_weights([np.ones(shape) for shape in shapes])
        for own, given in zip(layer.get_weights(), before, strict=True):
            np.testing.assert_array_equal(own, given)

    def test_a_layer_that_is_not_built_has_none(self):
        layer = Dense(2)
        assert layer.get_weights() == []
        with pytest.raises(ValueError, match=r"arrays for nothing.*not built: call it on an input"):
            layer.set_weights([np.ones((3, 2))])

    def test_parameters_are_counted(self):
        assert built(2).count_params() == 8
        assert Flatten().count_params() == 0


class TestCopies:
    @pytest.mark.parametrize(
        "again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copied", "pickled"]
    )
    @pytest.mark.parametrize("is_built", [False, True])
    def test_they_are_as_the_layer_was(self, is_built, again):
        layer = Dense(2, "softmax", kernel_constraint=MaxNorm(0.5), kernel_initializer="he_normal")
        if is_built:
            layer(X)
        other = again(layer)
        assert other.get_config() == layer.get_config()
        assert other.built == is_built
        if is_built:
            assert torch.equal(other(X), layer(X))
        other(X)
        step(other)
        assert float(other.kernel.detach().norm(dim=0).max()) <= 0.5 + 1e-6
        if is_built:
            assert not torch.equal(other.kernel, layer.kernel)

    def test_a_state_goes_from_one_to_another(self):
        layer, other = built(2), built(2)
        other.load_state_dict(layer.state_dict())
        assert torch.equal(other(X), layer(X))

    @pytest.mark.parametrize("strict", [True, False])
    def test_a_layer_that_is_not_built_takes_no_state(self, strict):
        model = nn.Sequential(Flatten(), Dense(2, name="head"))
        state = nn.Sequential(nn.Flatten(), nn.Linear(3, 2)).state_dict()
        with pytest.raises(RuntimeError, match="head is not built"):
            model.load_state_dict(state, strict=strict)
        model(X)
        model.load_state_dict(state, strict=strict)
        assert torch.equal(model[1].weight, state["1.weight"])


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Dense(2, "relu"), (8, 3)),
        (BatchNormalization(), (4, 5, 3)),
        (LayerNormalization([1, 2]), (4, 5, 3)),
        (GroupNormalization(3), (4, 5, 3)),
        (EinsumDense("abc,cde->abde", (5, 2, 2), bias_axes="de"), (4, 5, 3)),
        (PReLU(shared_axes=[1]), (4, 5, 3)),
        (Dropout(0.5).eval(), (4, 5)),
        (Reshape((2, -1)), (4, 6)),
        (Softmax([1, 2]), (4, 5, 3)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Layer) else "",
)
def test_a_layer_compiles_whole_and_for_any_batch(layer, shape):
    layer.eval()(torch.randn(shape))
    torch.compiler.reset()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    for size in (4, 7, 9):
        x = torch.randn(size, *shape[1:])
        torch.testing.assert_close(compiled(x), layer(x))

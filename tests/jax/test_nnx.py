"""Constraints of NNX models: declared on Params, honoured by the optimizer, wherever those go."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import feasible.jax
from feasible import InvalidArgumentError, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from feasible.jax.nnx import Optimizer, check, constrain, project, release

UNIT = MaxNorm(0.5, axis="unit")


def declared(constraint: Any, **metadata: Any) -> Any:
    """An initializer that declares a constraint."""
    return nnx.with_metadata(nnx.initializers.normal(1.0), constraint=constraint, **metadata)


class MLP(nnx.Module):
    """Two layers, of which the first has a constraint from the start."""

    def __init__(self, constraint: Any = UNIT, seed: int = 0) -> None:
        rngs = nnx.Rngs(seed)
        self.first = nnx.Linear(3, 4, kernel_init=declared(constraint), rngs=rngs)
        self.second = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.second(jnp.tanh(self.first(x)))


def loss(model: Any) -> Any:
    return jnp.square(model(jnp.arange(3.0)) - 5).sum()


def gradients(model: Any) -> Any:
    return nnx.grad(loss)(model)


def like(model: Any, value: float) -> Any:
    """Gradients of one value."""
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, value), nnx.state(model, nnx.Param))


def norms(kernel: Any) -> Any:
    return np.linalg.norm(np.asarray(kernel[...]), axis=0)


def test_a_constraint_declared_where_the_layer_is_made_is_honoured() -> None:
    model = MLP()
    assert norms(model.first.kernel).max() > 0.5
    optimizer = Optimizer(model, optax.adam(0.1), wrt=nnx.Param)
    assert norms(model.first.kernel).max() > 0.5  # not at initialization, as in Keras
    for _ in range(2):
        plain, peer = nnx.clone(model), nnx.clone(optimizer)
        updates = optimizer.update(model, gradients(model))
        wanted = nnx.Optimizer.update(peer, plain, gradients(plain))
        assert jax.tree.all(jax.tree.map(jnp.array_equal, updates, wanted))
        scale = np.minimum(1, 0.5 / norms(plain.first.kernel))
        assert np.allclose(model.first.kernel[...], plain.first.kernel[...] * scale, atol=1e-6)
        assert jnp.array_equal(model.second.kernel[...], plain.second.kernel[...])
        (row,) = check(model).rows
        assert (row.parameter, row.vectors, row.violating) == ("first/kernel", 4, 0)


def test_the_moments_of_adam_are_not_constrained() -> None:
    model, plain = MLP(NonNeg()), MLP(None)
    optimizer = Optimizer(model, optax.adam(0.1), wrt=nnx.Param)
    peer = nnx.Optimizer(plain, optax.adam(0.1), wrt=nnx.Param)
    mean = optimizer.opt_state[0].mu["first"]["kernel"]
    assert mean.get_metadata("constraint") == NonNeg()  # it is copied, and must not be read
    optimizer.update(model, like(model, -1.0))
    peer.update(plain, like(plain, -1.0))
    assert (mean[...] < 0).all()
    for one, other in zip(
        jax.tree.leaves(nnx.state(optimizer)), jax.tree.leaves(nnx.state(peer)), strict=True
    ):
        assert jnp.array_equal(one, other)
    both = nnx.Dict(model=model, optimizer=optimizer)
    assert [row.parameter for row in check(both).rows] == ["model/first/kernel"]


def test_equal_constraints_are_traced_once() -> None:
    traces = []

    @nnx.jit
    def step(model: Any, optimizer: Any) -> None:
        traces.append(1)
        optimizer.update(model, gradients(model))

    transformation = optax.adam(0.1)

    def trained(constraint: Any, rules: Any = None) -> int:
        model = MLP(constraint, seed=len(traces))
        if rules:
            constrain(model, rules)
        optimizer = Optimizer(model, transformation, wrt=nnx.Param)
        for _ in range(3):
            step(model, optimizer)
        assert check(model).ok
        return len(traces)

    assert trained(MaxNorm(0.5, axis="unit")) == 1
    assert trained(MaxNorm(0.5, axis="unit")) == 1
    assert trained(NonNeg(), {"first/kernel": MaxNorm(0.5, axis="unit")}) == 1
    assert trained(MaxNorm(0.25, axis="unit")) == 2


@pytest.mark.parametrize("wrt", [nnx.Param, nnx.All(nnx.Param, nnx.PathContains("second"))])
def test_params_that_are_not_trained_stay(wrt: Any) -> None:
    model = MLP(UnitNorm(axis="unit"))
    constrain(model, {"second/kernel": NonNeg()})
    before = jnp.copy(model.first.kernel[...])
    optimizer = Optimizer(model, optax.sgd(0.1), wrt=wrt)
    optimizer.update(model, like(model, 1.0))
    assert jnp.array_equal(before, model.first.kernel[...]) == (wrt is not nnx.Param)
    assert (model.second.kernel[...] >= 0).all()


def halved(model: Any) -> Any:
    """A constraint of rate 0.5 moves a norm with each call, so that calls can be counted."""
    constrain(model, {"first/kernel": MinMaxNorm(1.0, 1.0, rate=0.5, axis="unit")})
    model.first.kernel[...] = jnp.full((3, 4), 9 / np.sqrt(3))
    return model


@pytest.mark.parametrize("compiled", [False, True])
def test_accumulated_gradients_are_one_step(compiled: bool) -> None:
    model = halved(MLP())
    optimizer = Optimizer(model, optax.MultiSteps(optax.sgd(1e-3), 3), wrt=nnx.Param)

    def update(model: Any, optimizer: Any) -> None:
        optimizer.update(model, like(model, 1e-3))

    step = nnx.jit(update) if compiled else update
    seen = []
    for _ in range(7):
        step(model, optimizer)
        seen.append(norms(model.first.kernel)[0])
    assert np.allclose(seen, [9, 9, 5, 5, 5, 3, 3], atol=1e-4)


def test_a_rejected_update_is_no_step() -> None:
    model = halved(MLP())
    optimizer = Optimizer(model, optax.apply_if_finite(optax.sgd(1e-3), 5), wrt=nnx.Param)
    seen = []
    for value in (1e-3, np.nan, 1e-3):
        optimizer.update(model, like(model, value))
        seen.append(norms(model.first.kernel)[0])
    assert np.allclose(seen, [5, 5, 3], atol=1e-4)


def test_what_is_frozen_by_optax_stays() -> None:
    model = halved(MLP())
    labels = {"first": "frozen", "second": "trained"}
    transformation = optax.partition(
        {"frozen": optax.set_to_zero(), "trained": optax.sgd(0.1)},
        lambda state: nnx.State({name: labels[name] for name in state}),
    )
    constrain(model, {"second/kernel": NonNeg()})
    optimizer = Optimizer(model, transformation, wrt=nnx.Param)
    optimizer.update(model, like(model, 1.0))
    assert np.allclose(norms(model.first.kernel), 9)
    assert (model.second.kernel[...] >= 0).all()


def test_a_step_of_no_gradient_is_a_step() -> None:
    model = MLP()
    optimizer = Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)
    optimizer.update(model, like(model, 0.0))
    assert check(model).ok


class Tied(nnx.Module):
    """A kernel of two names, a module of two names, and a module that knows where it is."""

    def __init__(self) -> None:
        self.a = nnx.Linear(3, 3, rngs=nnx.Rngs(0))
        self.again = self.a
        self.kernel = self.a.kernel
        self.inner = nnx.Dict(parent=self)

    def __call__(self, x: Any) -> Any:
        return self.again(self.a(x)) @ self.kernel


@pytest.mark.parametrize("name", ["a/kernel", "again/kernel", "kernel"])
def test_a_shared_param_is_projected_once_under_any_name(name: str) -> None:
    model = Tied()
    rate = MinMaxNorm(1.0, 1.0, rate=0.5, axis="unit")
    report = constrain(model, {name: rate})
    assert [row.parameter for row in report.rows] == ["a/kernel"]
    model.kernel[...] = jnp.full((3, 3), 9 / np.sqrt(3))
    project(model)
    assert np.allclose(norms(model.a.kernel), 5)
    assert model.a.kernel is model.kernel
    optimizer = Optimizer(model, optax.sgd(1e-3), wrt=nnx.Param)
    optimizer.update(model, like(model, 1e-3))
    assert np.allclose(norms(model.kernel), 3, atol=1e-4)


def test_a_shared_param_has_one_constraint() -> None:
    model = Tied()
    with pytest.raises(ValueError, match="two rules select it"):
        constrain(model, {"a/kernel": MaxNorm(1), "kernel": MaxNorm(2)})
    assert check(model).rows == ()
    constrain(model, {"*kernel": MaxNorm(1)})
    assert len(check(model).rows) == 1


def test_a_param_shared_by_modules_that_count_otherwise() -> None:
    model = nnx.Dict(
        embed=nnx.Embed(3, 3, rngs=nnx.Rngs(0)), dense=nnx.Linear(3, 3, rngs=nnx.Rngs(0))
    )
    model.dense.kernel = model.embed.embedding
    with pytest.raises(ValueError, match="dense/kernel and embed/embedding are one Variable"):
        constrain(model, {"embed/embedding": UNIT})
    constrain(model, {"embed/embedding": MaxNorm(0.5, axis=0)})


def ensemble() -> Any:
    @nnx.split_rngs(splits=3)
    @nnx.vmap(in_axes=0, out_axes=0)
    def make(rngs: Any) -> Any:
        return nnx.Linear(3, 3, kernel_init=declared(UNIT), rngs=rngs)

    return make(nnx.Rngs(0))


def in_turn(model: Any) -> Any:
    @nnx.scan(in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
    def forward(layer: Any, x: Any) -> Any:
        return layer(x)

    return forward(model, jnp.ones(3))


def at_once(model: Any) -> Any:
    return nnx.vmap(lambda layer: layer(jnp.ones(3)), in_axes=0)(model)


@pytest.mark.parametrize("forward", [in_turn, at_once])
def test_layers_that_are_stacked_are_projected_each_for_itself(forward: Callable[..., Any]) -> None:
    model = ensemble()
    assert model.kernel.get_metadata("constraint") == UNIT
    optimizer = Optimizer(model, optax.sgd(0.01), wrt=nnx.Param)

    @nnx.jit
    def step(model: Any, optimizer: Any) -> None:
        optimizer.update(model, nnx.grad(lambda model: forward(model).sum())(model))

    step(model, optimizer)
    assert np.allclose(np.linalg.norm(model.kernel[...], axis=1).max(axis=1), 0.5)
    (row,) = check(model).rows
    assert (row.stored, row.shape, row.vectors, row.length) == ((3, 3, 3), (3, 3), 9, 3)
    assert row.violating == 0


def test_a_train_step_that_is_mapped_over_an_ensemble() -> None:
    model = ensemble()

    @nnx.vmap(in_axes=0)
    def make(model: Any) -> Any:
        return Optimizer(model, optax.adam(0.1), wrt=nnx.Param)

    @nnx.jit
    @nnx.vmap(in_axes=(0, 0))
    def step(model: Any, optimizer: Any) -> None:
        optimizer.update(model, nnx.grad(lambda model: model(jnp.ones(3)).sum())(model))

    step(model, make(model))
    assert check(model).ok


def test_rules_by_type_role_pattern_and_predicate() -> None:
    model = MLP(None)
    report = constrain(
        model,
        [
            (("first", "kernel"), MaxNorm(1, axis="unit")),
            ((nnx.Linear, "bias"), NonNeg()),
            (lambda path, array: path.startswith("second") and array.ndim == 2, UnitNorm()),
        ],
    )
    assert [row.parameter for row in report.rows] == [
        "first/kernel",
        "first/bias",
        "second/bias",
        "second/kernel",
    ]
    assert model.second.bias.get_metadata("constraint") == NonNeg()


def test_only_params_can_be_constrained() -> None:
    model = nnx.BatchNorm(3, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="'var' selects no parameter"):
        constrain(model, {"var": NonNeg()})
    model.counts = nnx.Param(jnp.arange(3))
    with pytest.raises(ValueError, match="counts, which is an array of dtype int32"):
        constrain(model, {"counts": NonNeg()})
    assert [row.parameter for row in constrain(model, {"*": NonNeg()}).rows] == ["bias", "scale"]


def test_layout() -> None:
    model = nnx.ConvTranspose(2, 3, (3,), rngs=nnx.Rngs(0))
    (keras,) = constrain(model, {"kernel": MaxNorm(1, axis=1)}).rows
    (native,) = constrain(model, {"kernel": MaxNorm(1, axis=1)}, layout="native").rows
    assert (keras.length, keras.shape, native.length, native.shape) == (3, (3, 3, 2), 2, (3, 2, 3))
    assert check(model).rows == (native,)
    optimizer = Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)
    optimizer.update(model, like(model, 1.0))
    assert np.linalg.norm(model.kernel[...], axis=1).max() <= 1 + 1e-6
    assert constrain(model, {"kernel": UNIT}, layout="native") == constrain(model, {"kernel": UNIT})
    constrain(model, {"kernel": MaxNorm(1, axis=1)})
    assert check(model).rows[0].shape == keras.shape
    with pytest.raises(InvalidArgumentError, match="layout"):
        constrain(model, {"kernel": UNIT}, layout="torch")


def test_a_dry_run_declares_nothing_and_project_projects() -> None:
    model = MLP(None)
    report = constrain(model, kernel=UNIT, dry_run=True, project=True)
    assert not report.ok
    assert check(model).rows == ()
    assert constrain(model, kernel=UNIT, project=True).ok
    assert check(model).ok


def test_nothing_is_declared_if_one_rule_cannot_be() -> None:
    model = MLP(None)
    with pytest.raises(ValueError, match="second/bias"):
        constrain(model, {"first/kernel": UNIT, "second/bias": MaxNorm(1, axis=1)})
    assert check(model).rows == ()
    assert model.first.kernel.get_metadata("constraint") is None


def test_release() -> None:
    model = MLP()
    constrain(model, bias=NonNeg())
    assert release(model, "*/bias") == ["first/bias", "second/bias"]
    with pytest.raises(ValueError, match="selects no parameter"):
        release(model, "second/*")
    assert release(model) == ["first/kernel"]
    optimizer = Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)
    optimizer.update(model, like(model, 0.0))
    assert norms(model.first.kernel).max() > 0.5


def test_a_constraint_declared_later_acts_from_the_next_update_on() -> None:
    model = MLP(None)
    optimizer = Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)
    optimizer.update(model, gradients(model))
    constrain(model, bias=NonNeg())
    optimizer.update(model, like(model, 100.0))
    assert (model.second.bias[...] == 0).all()


@pytest.mark.parametrize(
    ("metadata", "error", "message"),
    [
        ({"constraint": MaxNorm(1, axis=2)}, ValueError, "kernel: .*axis=2.*"),
        ({"constraint": "max_norm"}, InvalidArgumentError, "'max_norm'"),
        ({"constraint": UNIT, "constraint_layout": "torch"}, InvalidArgumentError, "torch"),
    ],
)
def test_wrong_metadata_are_found_when_the_optimizer_is_made(
    metadata: Any, error: type[Exception], message: str
) -> None:
    init = nnx.with_metadata(nnx.initializers.ones, **metadata)
    model = nnx.Linear(3, 2, kernel_init=init, rngs=nnx.Rngs(0))
    with pytest.raises(error, match=message):
        Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)


def test_a_constraint_on_integers_is_an_error() -> None:
    model = nnx.Dict(table=nnx.Param(jnp.arange(3), constraint=NonNeg()))
    with pytest.raises(ValueError, match=r"table has the constraint NonNeg\(\).*int32"):
        check(model)


def test_doubtful_axes_are_warned_of_once() -> None:
    model = nnx.Conv(2, 3, (3, 3), kernel_init=declared(MaxNorm(1)), rngs=nnx.Rngs(0))
    with pytest.warns(UserWarning, match='axis="unit"') as caught:
        optimizer = Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.update(model, like(model, 1.0))
        check(model)
        project(model)


def test_any_callable_is_a_constraint() -> None:
    model = MLP(lambda w: jnp.round(w))
    optimizer = Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)
    nnx.jit(lambda model, optimizer: optimizer.update(model, like(model, 0.1)))(model, optimizer)
    assert jnp.array_equal(model.first.kernel[...], jnp.round(model.first.kernel[...]))


def test_params_without_values_are_pending() -> None:
    model = nnx.eval_shape(lambda: MLP())
    report = constrain(model, {"second/kernel": UNIT}, project=True)
    assert report.pending == (("second/kernel", "MaxNorm(max_value=0.5, axis=(0,))"),)
    assert [name for name, _ in check(model).pending] == ["first/kernel", "second/kernel"]


def test_metadata_survive_split_merge_and_clone() -> None:
    model = MLP()
    copy = nnx.clone(model)
    project(copy)
    assert check(copy).ok
    assert not check(model).ok
    assert check(nnx.merge(*nnx.split(model))) == check(model)


def test_states_and_modules_are_trees_too() -> None:
    model = MLP(None)
    rules = {"*/kernel": UNIT}
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    moved = jax.jit(lambda params: feasible.jax.project(rules, params))(params)
    merged = nnx.merge(graphdef, moved, rest)
    whole = feasible.jax.project(rules, model)
    assert isinstance(whole, MLP)
    for one in (merged, whole):
        assert np.allclose(norms(one.first.kernel).max(), 0.5)
        assert feasible.jax.check(rules, one).ok
        assert jnp.array_equal(one.first.bias[...], model.first.bias[...])
    names = ["first/kernel", "second/kernel"]
    assert [row.parameter for row in feasible.jax.check(rules, params).rows] == names
    assert [row.parameter for row in feasible.jax.check(rules, model).rows] == names
    pure = nnx.to_pure_dict(params)
    assert feasible.jax.check(rules, feasible.jax.project(rules, pure)).ok
    nnx.update(model, moved)
    assert feasible.jax.check(rules, model).ok


def test_references_are_written_in_place() -> None:
    model = nnx.Linear(3, 4, kernel_metadata={"ref": True, "constraint": UNIT}, rngs=nnx.Rngs(0))
    model.kernel[...] = 9.0 * jnp.ones((3, 4))
    reference = model.kernel.get_raw_value()
    project(model)
    assert model.kernel.get_raw_value() is reference
    assert np.allclose(norms(model.kernel), 0.5)


def test_importing_feasible_jax_imports_neither_flax_nor_another_framework() -> None:
    code = (
        "import sys, feasible.jax, jax.numpy as jnp;"
        "feasible.jax.project({'*': feasible.NonNeg()}, {'a': jnp.ones(2)});"
        "print([m for m in ('torch', 'flax', 'equinox', 'keras') if m in sys.modules]);"
        "print(feasible.jax.nnx.Optimizer.__name__, 'nnx' in dir(feasible.jax))"
    )
    assert run(code) == "[]\nOptimizer True"


def test_a_missing_flax_is_one_line() -> None:
    code = (
        "import importlib.util as u\n"
        "real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'flax' else real(name, *a)\n"
        "import feasible.jax\n"
        "try: feasible.jax.nnx\n"
        "except ImportError as error: print(error)\n"
    )
    assert run(code) == "feasible.jax.nnx needs flax: pip install 'feasible[jax]'"


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_what_is_wrong_leaves_nothing_declared() -> None:
    model = nnx.Sequential(nnx.Linear(3, 2, rngs=nnx.Rngs(0)), nnx.Linear(2, 3, rngs=nnx.Rngs(1)))
    wrongs: Any = (lambda w: None, lambda w: w.T, lambda w: w.astype("float16"))
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"layers/1/kernel: the constraint .* must return"):
            constrain(model, {"layers/0/kernel": NonNeg(), "layers/1/kernel": wrong})
        assert check(model).rows == ()
    with pytest.raises(TypeError, match=r"`selector` must be .*a module that is there"):
        constrain(model, {model.layers[0]: NonNeg()})


def test_rules_leave_out_and_names_come_first() -> None:
    model = nnx.Sequential(*(nnx.Linear(3, 3, rngs=nnx.Rngs(n)) for n in range(3)))
    report = constrain(
        model, {"layers/0/*": None, "layers/1/kernel": NonNeg()}, kernel=MaxNorm(1, axis="unit")
    )
    declared = [(row.parameter, row.constraint) for row in report.rows]
    assert sorted(declared) == [
        ("layers/1/kernel", "NonNeg()"),
        ("layers/2/kernel", "MaxNorm(max_value=1, axis=(0,))"),
    ]
    assert "'layers/0/*': None leaves out layers/0/kernel" in report.notes
    assert [row.parameter for row in constrain(model, {nnx.Linear: NonNeg()}).rows] == [
        f"layers/{n}/kernel" for n in range(3)
    ]


class Scaled(nnx.Module):
    def __init__(self) -> None:
        self.gamma = nnx.Param(jnp.ones((3, 3)))


def test_a_params_own_name_is_no_role() -> None:
    model = nnx.Sequential(nnx.LayerNorm(3, rngs=nnx.Rngs(0)), Scaled())
    report = constrain(model, gamma=NonNeg())
    assert [row.parameter for row in report.rows] == ["layers/0/scale"]
    assert report.notes[0].startswith("gamma= passes over layers/1/gamma of Scaled")


def test_check_says_in_which_optimizer_constraints_act() -> None:
    model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    constrain(model, kernel=MaxNorm(0.1, axis="unit"))

    def train(kind: Any) -> Any:
        optimizer = kind(model, optax.sgd(0.5), wrt=nnx.Param)
        grads = nnx.grad(lambda model: model(jnp.ones((4, 3))).sum())(model)
        optimizer.update(model, grads)
        return check(model)

    report = train(nnx.Optimizer)
    assert not report.ok
    assert "constraints act in feasible.jax.nnx.Optimizer" in str(report)
    report = train(Optimizer)
    assert report.ok
    assert report.notes == ()

"""Constraints hold after each batch; interrupted runs end where others do."""

from __future__ import annotations

import signal

import lightning.pytorch as lightning
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from feasible import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from feasible.callbacks import BackupAndRestore, Callback, EarlyStopping, ReduceLROnPlateau
from feasible.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten
from feasible.models import Sequential
from feasible.torch import constrain, constraints_of, project

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(60, 6, 6, 2)).astype(np.float32)
CLASSES = RNG.integers(0, 3, size=60)


def assert_feasible(model: nn.Module) -> None:
    for name, bound in constraints_of(model).items():
        violations = bound.constraint.violations(bound.view)
        assert float(violations.max()) == 0, name


class Watching(Callback):
    """Checks every constrained weight after each batch, and counts how often weights changed."""

    def __init__(self):
        super().__init__()
        self.batches = self.changes = 0
        self.before = None

    def on_train_batch_begin(self, batch, logs=None):
        self.before = next(self.model.parameters()).detach().clone()

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        self.changes += not torch.equal(self.before, next(self.model.parameters()))
        assert len(constraints_of(self.model)) == 5
        assert_feasible(self.model)


def constrained(**options) -> Sequential:
    torch.manual_seed(0)
    model = Sequential(
        [
            Conv2D(4, 3, activation="relu", kernel_constraint=MaxNorm(0.5, axis="unit")),
            Flatten(),
            Dense(8, "relu", kernel_constraint=NonNeg(), bias_constraint=MaxNorm(0.01)),
            nn.Linear(8, 8),
            Dense(3, "softmax", kernel_constraint=UnitNorm()),
        ]
    )
    model(IMAGES[:1])
    constrain(model, {"linear.weight": MinMaxNorm(0.2, 0.4)})
    model.compile(
        {"class_name": "adam", "config": {"learning_rate": 0.05, **options}},
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


@pytest.mark.parametrize(
    ("of_optimizer", "of_fit", "steps"),
    [
        ({}, {}, 16),
        ({"gradient_accumulation_steps": 3}, {}, 5),
        ({}, {"precision": "bf16-mixed"}, 16),
        ({}, {"precision": "16-mixed"}, 16),
        ({"clipnorm": 0.1}, {}, 16),
        (
            {"gradient_accumulation_steps": 3, "clipnorm": 0.1},
            {"precision": "bf16-mixed", "accelerator": "cpu"},
            5,
        ),
    ],
    ids=str,
)
def test_weights_are_feasible_after_each_batch(of_optimizer, of_fit, steps):
    watching = Watching()
    model = constrained(**of_optimizer)
    project(model)
    history = model.fit(
        IMAGES,
        CLASSES,
        batch_size=8,
        epochs=2,
        validation_split=0.03,
        verbose=0,
        callbacks=watching,
        **of_fit,
    )
    assert (watching.batches, watching.changes) == (16, steps)
    assert np.isfinite(history.history["loss"]).all()
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@pytest.mark.parametrize(("accumulated", "steps"), [(None, 8), (4, 2)])
def test_a_rate_acts_once_a_step(accumulated, steps):
    model = Sequential([Dense(1, use_bias=False, kernel_constraint=MinMaxNorm(0, 1, rate=0.5))])
    model(np.ones((1, 2)))
    model.set_weights([np.array([[9.0], [0.0]])])
    options = {"learning_rate": 0, "gradient_accumulation_steps": accumulated}
    model.compile({"class_name": "sgd", "config": options}, "mse")
    x = np.ones((8, 2))
    model.fit(x, x[:, :1], batch_size=1, verbose=0)
    assert model.get_weights()[0][0, 0] == pytest.approx(1 + 8 / 2**steps)


def two_networks():
    torch.manual_seed(0)
    generator = Sequential(
        [Dense(8, "relu", kernel_constraint="max_norm"), Dense(2, bias_constraint=NonNeg())]
    )
    critic = Sequential(
        [
            Dense(8, "leaky_relu", kernel_constraint=MaxNorm(0.5)),
            Dense(1, kernel_constraint=UnitNorm()),
        ]
    )
    generator(torch.zeros(1, 3))
    critic(torch.zeros(1, 2))
    return generator, critic


def losses(generator, critic, real):
    fake = generator(torch.randn(len(real), 3))
    return critic(fake.detach()).mean() - critic(real).mean(), -critic(fake).mean()


def test_a_loop_of_ones_own_with_two_optimizers_stays_feasible():
    generator, critic = two_networks()
    optimizers = [torch.optim.Adam(net.parameters(), 0.05) for net in (critic, generator)]
    for _ in range(10):
        for place in (0, 1):
            optimizers[place].zero_grad()
            losses(generator, critic, torch.randn(16, 2))[place].backward()
            optimizers[place].step()
            # The other network is made feasible by its own optimizer's first step.
            assert_feasible((critic, generator)[place])
    assert_feasible(nn.ModuleList([generator, critic]))


def test_a_loop_of_train_on_batch_stays_feasible():
    generator, critic = two_networks()
    generator.compile("adam", lambda y_true, y_pred: -critic(y_pred))
    critic.compile("rmsprop", lambda y_true, y_pred: -(y_true * y_pred))
    for _ in range(10):
        noise = np.float32(RNG.normal(size=(8, 3)))
        both = np.concatenate([generator.predict_on_batch(noise), RNG.normal(size=(8, 2))])
        critic.train_on_batch(np.float32(both), np.repeat([-1.0, 1.0], 8))
        generator.train_on_batch(noise, np.zeros(8))
        assert_feasible(nn.ModuleList([generator, critic]))


class Adversaries(lightning.LightningModule):
    """A Lightning module with two of our models, two optimizers and its own steps."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.critic = two_networks()
        self.checked = 0

    def training_step(self, batch):
        for place, optimizer in enumerate(self.optimizers()):
            optimizer.zero_grad()
            self.manual_backward(losses(self.generator, self.critic, batch[0])[place])
            optimizer.step()

    def configure_optimizers(self):
        return [torch.optim.Adam(net.parameters(), 0.05) for net in (self.critic, self.generator)]

    def on_train_batch_end(self, *others):
        assert_feasible(self)
        self.checked += 1


@pytest.mark.filterwarnings("ignore")  # Lightning's own, which are the user's to see
def test_a_lightning_module_with_two_optimizers_stays_feasible():
    module = Adversaries()
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, DataLoader(TensorDataset(torch.randn(64, 2)), batch_size=16))
    assert module.checked == 8


class Interrupting(Callback):
    """Raises after some batches."""

    def __init__(self, error, batches):
        super().__init__()
        self.error, self.left = error, batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise self.error


def resumable() -> Sequential:
    model = Sequential(
        [
            Flatten(),
            Dense(16, "relu", kernel_constraint=MaxNorm(0.8)),
            BatchNormalization(),
            Dropout(0.5),
            nn.Dropout(0.1),
            Dropout(0.2, seed=3),
            Dense(3, "softmax", kernel_constraint=MinMaxNorm(0.5, 1, rate=0.5)),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def in_memory():
    return {"x": IMAGES, "y": CLASSES, "batch_size": 8}


def from_a_loader():
    dataset = TensorDataset(torch.tensor(IMAGES), torch.tensor(CLASSES))
    return {"x": DataLoader(dataset, batch_size=8, shuffle=True)}


def run(data, **options):
    model = resumable()
    return model, model.fit(**data(), epochs=4, verbose=0, **options)


def assert_same_end(found, wanted):
    for name, value in found[0].state_dict().items():
        assert torch.equal(value, wanted[0].state_dict()[name]), name
    count = len(found[1].epoch)
    assert count
    assert found[1].epoch == wanted[1].epoch[-count:]
    for name, values in found[1].history.items():
        assert values == wanted[1].history[name][-count:], name


def in_small_batches():
    return {**in_memory(), "batch_size": 4}


def from_a_generator():
    def batches():
        while True:
            order = np.random.permutation(60)[:8]
            yield IMAGES[order], CLASSES[order]

    return {"x": batches(), "steps_per_epoch": 8}


VALIDATION = {"validation_data": (IMAGES[:20], CLASSES[:20])}


def watchers():
    return [
        ReduceLROnPlateau("loss", patience=1, min_delta=0.1),
        EarlyStopping("loss", patience=2, min_delta=0.05, restore_best_weights=True),
    ]


@pytest.mark.parametrize(
    ("data", "options", "saving"),
    [
        (in_memory, {}, {}),
        (in_memory, {"class_weight": {0: 2.0}, **VALIDATION}, {"save_freq": 3}),
        (in_small_batches, {"steps_per_epoch": 5}, {"save_freq": 1}),
        (from_a_loader, VALIDATION, {"save_freq": 5}),
        (from_a_loader, {}, {}),
    ],
)
@pytest.mark.parametrize("batches", [13, 16, 17], ids=["within", "at the end", "at the beginning"])
def test_a_resumed_run_ends_bit_for_bit_where_the_uninterrupted_one_does(
    tmp_path, data, options, saving, batches
):
    torch.manual_seed(1)
    wanted = run(data, callbacks=watchers(), **options)
    torch.manual_seed(1)
    backup = BackupAndRestore(tmp_path / "backup", **saving)
    cut = Interrupting(OSError("power cut"), batches)
    with pytest.raises(OSError, match="power cut"):
        run(data, callbacks=[backup, *watchers(), cut], **options)
    torch.manual_seed(99)  # another process knows nothing of the first one's numbers
    np.random.seed(5)
    backup = BackupAndRestore(tmp_path / "backup", **saving)
    # As many callbacks, so that they are known to be the same.
    found = run(data, callbacks=[backup, *watchers(), Callback()], **options)
    assert_same_end(found, wanted)
    assert not (tmp_path / "backup").exists()


def test_a_generator_goes_on_where_it_was(tmp_path):
    def fitted(*callbacks):
        return run(from_a_generator, callbacks=[*callbacks])

    torch.manual_seed(1)
    np.random.seed(1)
    wanted = fitted()
    torch.manual_seed(1)
    np.random.seed(1)
    with pytest.raises(OSError, match="power cut"):
        fitted(BackupAndRestore(tmp_path, 3), Interrupting(OSError("power cut"), 13))
    np.random.seed(7)
    assert_same_end(fitted(BackupAndRestore(tmp_path, 3)), wanted)


def test_a_run_that_ended_can_be_extended(tmp_path):
    torch.manual_seed(1)
    wanted = run(in_memory)
    torch.manual_seed(1)
    backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
    resumable().fit(**in_memory(), epochs=2, verbose=0, callbacks=backup)
    found = run(in_memory, callbacks=backup)
    assert found[1].epoch == [2, 3]
    assert_same_end(found, wanted)


def test_what_cannot_be_gone_on_from_is_an_error(tmp_path):
    backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
    run(in_memory, callbacks=backup)
    other = Sequential([Flatten(), Dense(3, "softmax")])
    other.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="of another model"):
        other.fit(**in_memory(), verbose=0, callbacks=backup)
    (tmp_path / "latest.pt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="remove it to begin anew"):
        run(in_memory, callbacks=backup)
    torch.save({"hostile": Interrupting(None, 0)}, tmp_path / "latest.pt")
    with pytest.raises(ValueError, match="Interrupting"):
        run(in_memory, callbacks=backup)


def test_control_c_is_a_keyboard_interrupt_after_which_one_can_go_on(tmp_path):
    handler = signal.getsignal(signal.SIGINT)

    class ControlC(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                signal.raise_signal(signal.SIGINT)

    model = resumable()
    with pytest.raises(KeyboardInterrupt):
        model.fit(**in_memory(), epochs=4, verbose=0, callbacks=ControlC())
    assert signal.getsignal(signal.SIGINT) is handler
    assert not model.training
    assert_feasible(model[:4])
    assert len(model.fit(**in_memory(), verbose=0).epoch) == 1

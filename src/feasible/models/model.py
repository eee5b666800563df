"""A model that can be compiled, fitted, evaluated and asked for predictions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from feasible.arguments import InvalidArgumentError, check_choice, check_integer
from feasible.callbacks.callback_list import CallbackList
from feasible.callbacks.history import History
from feasible.models import data, training
from feasible.models.class_weights import class_weight_table
from feasible.models.data_sources import batches_of, validation_batches
from feasible.models.epochs import Epochs
from feasible.models.running import runner_for
from feasible.models.steps import SteppedModel, Values


class Model(SteppedModel):
    """A `torch.nn.Module` with Keras's training methods, made of calls or for a `call` of your own.

    Args:
        inputs: What `Input` returned, or a list or dict of such.
        outputs: What layers return for these, or a list or dict of such.
        trainable: Whether the parameters are trained.
        name: The model's name; None for one made from the class's.

    Attributes:
        stop_training: Set to True by a callback, it ends `fit` after the batch.
        stop_evaluating: The same for `evaluate`.
        stop_predicting: The same for `predict`.
        training_run: What `fit` is doing, for callbacks that save it; None otherwise.
        history: What the latest `fit` returned; None before.

    Example:
        >>> import numpy as np
        >>> from feasible.layers import Dense
        >>> class Line(Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.dense = Dense(1, kernel_constraint="non_neg")
        ...     def forward(self, x):
        ...         return self.dense(x)
        >>> x = np.linspace(-1, 1, 64)[:, None]
        >>> model = Line()
        >>> model.compile("sgd", "mse")
        >>> history = model.fit(x, 2 * x, batch_size=4, epochs=50, verbose=0)
        >>> bool(abs(model.dense.weight - 2) < 0.1)
        True
    """

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, name, trainable)
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        vars(self)["training_run"] = None
        self.history: History | None = None

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        *,
        accelerator: Any = None,
        devices: Any = None,
        strategy: Any = None,
        precision: Any = None,
    ) -> History:
        """Train the model, and hold its weights to their constraints after each step.

        Afterwards the model is where it was, in evaluation mode. Calling `fit` again goes on with
        the optimizer as it is.

        Args:
            x: Inputs: an array, a tensor, or a list or dict of them; or what yields inputs, or
                tuples of inputs, labels and weights: a Dataset or DataLoader of PyTorch, a
                `feasible.utils.PyDataset`, a generator, a `tf.data.Dataset`.
            y: Labels, where `x` does not hold them.
            batch_size: Samples a batch; 32 by default.
            epochs: How many times to go through the data, `initial_epoch` included.
            verbose: 0 for silence, 1 or ``"auto"`` for a progress bar, 2 for a line an epoch.
            callbacks: Those of `feasible.callbacks`, or Keras's own.
            validation_split: The fraction of samples to validate with, taken from the end.
            validation_data: What to validate with: a tuple ``(x, y)`` or ``(x, y, sample_weight)``,
                or what yields batches.
            shuffle: Whether each epoch draws another order, which `torch.manual_seed` determines;
                ``"batch"`` for another order of the same batches.
            class_weight: Weights of the loss by number of class; 1 for those not named.
            sample_weight: Weights of the loss, one a sample.
            initial_epoch: The number of the first epoch.
            steps_per_epoch: How many batches an epoch has; the next epoch goes on after them. None
                for all.
            validation_steps: How many batches to validate with; None for all.
            validation_batch_size: Samples a batch in validation; `batch_size` by default.
            validation_freq: After how many epochs each there is a validation; or a list of those,
                counted from 1, after which there is one.
            accelerator: Lightning Fabric's: ``"cpu"``, ``"gpu"``; by default a GPU if there is one.
            devices: How many, or which; one by default.
            strategy: How they share the work: ``"ddp"``, ``"fsdp"``, or an object of Fabric's.
            precision: ``"bf16-mixed"``, ``"16-mixed"``, which is bfloat16 on a CPU; by default
                full precision.

        Returns:
            The loss and the metrics of each epoch.

        Raises:
            ValueError: If the model is not compiled, or an argument cannot be used.
        """
        self.check_compiled("fit")
        check_choice("fit", "verbose", verbose, ("auto", 0, 1, 2))
        epochs = check_integer("fit", "epochs", epochs, minimum=0)
        initial_epoch = check_integer("fit", "initial_epoch", initial_epoch, minimum=0)
        steps_per_epoch = _steps("fit", "steps_per_epoch", steps_per_epoch)
        validation_steps = _steps("fit", "validation_steps", validation_steps)
        _check_frequency(validation_freq)
        if class_weight is not None and sample_weight is not None:
            raise ValueError("fit: pass `class_weight` or `sample_weight`, not both.")
        table = None if class_weight is None else class_weight_table(class_weight)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = data.split_off_validation(
                x, y, sample_weight, validation_split
            )
        runner = runner_for(
            accelerator=accelerator, devices=devices, strategy=strategy, precision=precision
        )
        batches = batches_of(
            *(x, y, sample_weight),
            batch_size=batch_size,
            shuffle=shuffle,
            steps=steps_per_epoch,
            runner=runner,
        )
        validation = None
        if validation_data is not None:
            size = validation_batch_size or batch_size
            validation = Epochs(
                validation_batches(validation_data, size, validation_steps, runner),
                validation_steps,
            )
        self.build_on(batches)
        run = Epochs(batches, steps_per_epoch)
        self.stop_training = False
        with runner.running(self):
            self.prepare()
            called = self._callbacks(callbacks, verbose, runner, epochs, run, add_history=True)
            fitting = training.Training(self, run, validation, called, runner, table)
            vars(self)["training_run"] = fitting
            try:
                fitting.run(epochs, initial_epoch, validation_freq)
            except BaseException as error:
                called.call("on_exception", error)
                raise
            finally:
                vars(self)["training_run"] = None
                self.eval()
        assert self.history is not None
        return self.history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **devices: Any,
    ) -> Values:
        """Compute the loss and the metrics of data.

        Args:
            x: Inputs, as `fit` takes them.
            y: Labels, where `x` does not hold them.
            batch_size: Samples a batch; 32 by default.
            verbose: As in `fit`.
            sample_weight: Weights of the loss, one a sample.
            steps: How many batches to take; None for all.
            callbacks: As in `fit`.
            return_dict: Whether to return values by name.
            **devices: `accelerator`, `devices`, `strategy` and `precision`, as in `fit`.

        Returns:
            The loss; with metrics, a list of the loss and the metrics; or a dict of them.

        Raises:
            ValueError: If the model is not compiled, or an argument cannot be used.
        """
        self.check_compiled("evaluate")
        check_choice("evaluate", "verbose", verbose, ("auto", 0, 1, 2))
        steps = _steps("evaluate", "steps", steps)
        runner = _runner("evaluate", devices)
        batches = batches_of(x, y, sample_weight, batch_size=batch_size, steps=steps, runner=runner)
        self.build_on(batches)
        run = Epochs(batches, steps)
        with runner.running(self):
            called = self._callbacks(callbacks, verbose, runner, 1, run)
            values = training.evaluate(self, run, called, runner)
        return self.as_return_value(values, return_dict)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        **devices: Any,
    ) -> Any:
        """Compute the model's output for data.

        Args:
            x: Inputs, as `fit` takes them.
            batch_size: Samples a batch; 32 by default.
            verbose: As in `fit`.
            steps: How many batches to take; None for all.
            callbacks: As in `fit`.
            **devices: `accelerator`, `devices`, `strategy` and `precision`, as in `fit`.

        Returns:
            NumPy arrays, in the nest that `forward` returns.

        Raises:
            ValueError: If an argument cannot be used.
        """
        check_choice("predict", "verbose", verbose, ("auto", 0, 1, 2))
        steps = _steps("predict", "steps", steps)
        runner = _runner("predict", devices)
        batches = batches_of(x, batch_size=batch_size, steps=steps, runner=runner)
        self.build_on(batches)
        run = Epochs(batches, steps)
        with runner.running(self):
            called = self._callbacks(callbacks, verbose, runner, 1, run)
            outputs = training.predict(self, run, called, runner)
        return data.concatenate_outputs(outputs)

    def _callbacks(
        self,
        callbacks: Any,
        verbose: str | int,
        runner: Any,
        epochs: int,
        run: Epochs,
        *,
        add_history: bool = False,
    ) -> CallbackList:
        return CallbackList(
            callbacks,
            add_history=add_history,
            add_progbar=verbose != 0 and runner.rank == 0,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=run.num_batches,
        )

    def reset_states(self) -> None:
        """Have the states of all stateful layers begin anew."""
        for layer in self.modules():
            for name in ("reset_states", "reset_state"):
                if layer is not self and hasattr(layer, name):
                    getattr(layer, name)()
                    break

    def save(self, path: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save a model as a Keras archive, which `load_model` and Keras 3 open.

        Constraints are saved with the layers; ``axis="unit"`` as the axes it stands for. Those that
        Keras lacks, such as `RadialConstraint`, must be passed to its `load_model` as custom
        objects. How the model was compiled is not saved, nor the state of its optimizer. A file
        that is there is replaced when the new one is whole.

        Args:
            path: Where to: a path that ends in ``.keras``.
            overwrite: Whether a file that is there is replaced; if not, it is an error.

        Raises:
            ValueError: If it is not a Sequential of layers, is not built, or holds something that
                could not be loaded back, such as a lambda.
            InvalidArgumentError: If the path cannot be used.
        """
        from feasible.models import saving

        _check_absent("save", path, overwrite)
        saving.save_model(self, path)

    def save_weights(self, path: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the weights, states included.

        A file that is there is replaced when the new one is whole.

        Args:
            path: Where to: a path that ends in ``.safetensors``, or in ``.weights.h5``.
            overwrite: Whether a file that is there is replaced; if not, it is an error.

        Raises:
            ValueError: If a layer has no weights yet, because no input has been seen.
            InvalidArgumentError: If the path cannot be used.
        """
        from feasible.models import weight_files

        _check_absent("save_weights", path, overwrite)
        weight_files.save_weights(self, path)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Load the weights from a file, all of them or none.

        Args:
            path: The file.

        Raises:
            FileNotFoundError: If there is no such file.
            ArchiveError: If it is not a whole safetensors file.
            ValueError: If its names, shapes or kinds of dtype are not the model's; no weight is
                changed then.
            InvalidArgumentError: If the path does not end in ``.safetensors``.
        """
        from feasible.models import weight_files

        weight_files.load_weights(self, path)


def _check_absent(owner: str, path: str | os.PathLike[str], overwrite: bool) -> None:
    if not overwrite and os.path.exists(path):
        raise InvalidArgumentError(
            owner, "overwrite", overwrite, f"True to replace {os.fspath(path)!r}, which is there"
        )


def _steps(owner: str, argument: str, steps: int | None) -> int | None:
    return None if steps is None else check_integer(owner, argument, steps)


def _check_frequency(validation_freq: Any) -> None:
    if isinstance(validation_freq, list | tuple | set | range):
        return
    check_integer("fit", "validation_freq", validation_freq)


def _runner(method: str, options: dict[str, Any]) -> Any:
    known = ("accelerator", "devices", "strategy", "precision")
    if unknown := [name for name in options if name not in known]:
        raise InvalidArgumentError(
            method, unknown[0], options[unknown[0]], f"left out: there are {', '.join(known)}"
        )
    return runner_for(**options)

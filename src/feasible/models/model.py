"""A model that can be compiled, fitted, evaluated and asked for predictions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from feasible.models import data
from feasible.models.compiled import CompiledModel, Values, as_return_value

if TYPE_CHECKING:
    from feasible.callbacks.history import History


class Model(CompiledModel):
    """A `torch.nn.Module` with Keras's training methods, made of calls or for a `call` of your own.

    Args:
        inputs: What `Input` returned, or a list or dict of such.
        outputs: What layers return for these, or a list or dict of such.
        trainable: Whether the parameters are trained.
        name: The model's name; None for one made from the class's.

    Attributes:
        stop_training: Set to True by a callback, it ends `fit` after the batch.
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
        self.stop_training = False
        self.history: History | None = None

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        *,
        validation_batch_size: int | None = None,
        ckpt_path: str | None = None,
        **trainer_options: Any,
    ) -> History:
        """Train the model, and hold its weights to their constraints after each step.

        Lightning's Trainer runs the loop. Afterwards the model is on the CPU, in evaluation mode.
        Calling `fit` again goes on with the optimizer as it is.

        Args:
            x: Inputs: an array, a tensor, or a tuple or dict of them, which `forward` receives as
                it is; a Dataset or DataLoader, which yield inputs, or tuples of inputs, labels and
                weights.
            y: Labels, where `x` does not hold them.
            batch_size: Samples a batch; 32 by default.
            epochs: How many times to go through the data, `initial_epoch` included.
            verbose: 0 for silence, 1 for a progress bar and a row for each epoch, 2 for rows only;
                ``"auto"`` for 1 in a terminal or a notebook, and 2 elsewhere.
            callbacks: Those of `feasible.callbacks`, Keras's own, and Lightning's, for which a
                model's values are logged as ``"loss"``, ``"val_loss"`` and so on; their
                `pl_module.model` is the model.
            validation_split: The fraction of samples to validate with, taken from the end.
            validation_data: What to validate with: a tuple ``(x, y)`` or ``(x, y, sample_weight)``,
                a Dataset or a DataLoader.
            shuffle: Whether each epoch draws another order, which `torch.manual_seed` determines.
            class_weight: Weights of the loss by number of class; 1 for those not named.
            sample_weight: Weights of the loss, one a sample.
            initial_epoch: The number of the first epoch.
            validation_batch_size: Samples a batch in validation; `batch_size` by default.
            ckpt_path: A checkpoint to go on from, which Lightning's `ModelCheckpoint` saved at the
                end of an epoch. On one device the run then ends bit for bit as if it had not been
                interrupted, if its random numbers come from PyTorch's, NumPy's and Python's
                global generators.
            **trainer_options: Arguments of Lightning's Trainer, such as `accumulate_grad_batches`,
                `precision`, `accelerator`, `devices`, `strategy`, `logger`, `gradient_clip_val`.
                By default it uses one device, a GPU if there is one, in full precision.
                ``"16-mixed"`` is bfloat16 on a CPU, which has no fast float16. Keras's
                `steps_per_epoch`, `validation_steps` and `validation_freq` are taken too.

        Returns:
            The loss and the metrics of each epoch.

        Raises:
            ValueError: If the model is not compiled, or an argument cannot be used.
        """
        from feasible.models import running

        self.check_compiled("fit")
        if class_weight is not None and sample_weight is not None:
            raise ValueError("fit: pass `class_weight` or `sample_weight`, not both.")
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = data.split_off_validation(
                x, y, sample_weight, validation_split
            )
        train = data.loader(x, y, sample_weight, batch_size=batch_size, shuffle=shuffle)
        validation = None
        if validation_data is not None:
            validation = data.validation_loader(
                validation_data, validation_batch_size or batch_size
            )
        self.prepare(train)
        return running.fit(
            self,
            train,
            validation,
            class_weight=class_weight,
            epochs=epochs,
            initial_epoch=initial_epoch,
            ckpt_path=ckpt_path,
            verbose=verbose,
            callbacks=callbacks,
            **trainer_options,
        )

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Any = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **trainer_options: Any,
    ) -> Values:
        """Compute the loss and the metrics of data.

        Args:
            x: Inputs, as `fit` takes them.
            y: Labels, where `x` does not hold them.
            batch_size: Samples a batch; 32 by default.
            verbose: As in `fit`.
            sample_weight: Weights of the loss, one a sample.
            callbacks: As in `fit`.
            return_dict: Whether to return values by name.
            **trainer_options: Arguments of Lightning's Trainer.

        Returns:
            The loss; with metrics, a list of the loss and the metrics; or a dict of them.

        Raises:
            ValueError: If the model is not compiled, or an argument cannot be used.
        """
        from feasible.models import running

        self.check_compiled("evaluate")
        batches = data.loader(x, y, sample_weight, batch_size=batch_size)
        self.build_on(batches)
        values = running.evaluate(
            self, batches, verbose=verbose, callbacks=callbacks, **trainer_options
        )
        return as_return_value(values, return_dict)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        callbacks: Any = None,
        **trainer_options: Any,
    ) -> Any:
        """Compute the model's output for data.

        Args:
            x: Inputs, as `fit` takes them.
            batch_size: Samples a batch; 32 by default.
            verbose: As in `fit`.
            callbacks: As in `fit`.
            **trainer_options: Arguments of Lightning's Trainer.

        Returns:
            NumPy arrays, in the nest that `forward` returns.
        """
        from feasible.models import running

        batches = data.loader(x, batch_size=batch_size)
        self.build_on(batches)
        outputs = running.predict(
            self, batches, verbose=verbose, callbacks=callbacks, **trainer_options
        )
        return data.concatenate_outputs(outputs)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save a model as a Keras archive, which `load_model` and Keras 3 open.

        Constraints are saved with the layers; ``axis="unit"`` as the axes it stands for. Those that
        Keras lacks, such as `RadialConstraint`, must be passed to its `load_model` as custom
        objects. How the model was compiled is not saved, nor the state of its optimizer. A file
        that is there is replaced when the new one is whole.

        Args:
            path: Where to: a path that ends in ``.keras``.

        Raises:
            ValueError: If it is not a Sequential of layers, is not built, or holds something that
                could not be loaded back, such as a lambda.
            InvalidArgumentError: If the path cannot be used.
        """
        from feasible.models import saving

        saving.save_model(self, path)

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Save the weights, states included.

        A file that is there is replaced when the new one is whole.

        Args:
            path: Where to: a path that ends in ``.safetensors``, or in ``.weights.h5``.

        Raises:
            ValueError: If a layer has no weights yet, because no input has been seen.
            InvalidArgumentError: If the path cannot be used.
        """
        from feasible.models import weight_files

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

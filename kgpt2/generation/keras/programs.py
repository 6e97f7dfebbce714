"""Functions compiled by the Keras backend, each once for a shape; how many there were, and how long they took."""

import threading
import time
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kgpt2.models.backend import Tensor


class Programs:
    """Compiles on JAX and TensorFlow; torch computes as it goes.

    Args:
        model: its variables are what `read` reads.
        distribution: the devices that share the rows of a batch; None: one device.

    Attributes:
        count: programs compiled so far.
    """

    def __init__(self, model: keras.Model, distribution: keras.distribution.DataParallel | None = None):
        self.count = 0
        self._waited, self._lock = threading.local(), threading.Lock()
        self._model, self._distribution = model, distribution
        self._compiled: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._variables: list[int] = []

    @property
    def row_multiple(self) -> int:
        """The number of rows must be a multiple of it, so that each device gets as many."""
        return 1 if self._distribution is None else int(self._distribution.device_mesh.shape[0])

    @property
    def seconds(self) -> float:
        """What this thread has waited for compilers so far."""
        return getattr(self._waited, "seconds", 0.0)

    def spread(self, arrays: Any) -> Any:
        """Nested arrays whose first dimension is that of the rows, each device given its part."""
        if self._distribution is None:
            return arrays
        mesh = self._distribution.device_mesh

        def part(array: Tensor) -> Tensor:
            divided = len(array.shape) > 0 and array.shape[0] % mesh.shape[0] == 0
            axes = [mesh.axis_names[0] if divided and not axis else None for axis in range(len(array.shape))]
            return keras.distribution.distribute_tensor(array, keras.distribution.TensorLayout(axes, mesh))

        return keras.tree.map_structure(part, arrays)

    def read(self, function: Callable[[], Any]) -> Any:
        """What a function makes of the model's variables."""
        variables = self._model.variables
        with self._lock:
            if list(map(id, variables)) != self._variables:  # other ones than before, such as those of LoRA
                self._variables = list(map(id, variables))
                self._compiled.clear()
        if keras.config.backend() != "jax":
            return self.call(function)

        def stateless(values: list[Tensor]) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return function()

        stateless.__name__ = function.__name__
        return self.call(stateless, [variable.value for variable in variables], key=function)

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        static: tuple[int, ...] = (),
        donate: int | None = None,
        idle: tuple[Any, ...] | None = None,
        key: object = None,
    ) -> Any:
        """The result of a function of arrays, nested as you like.

        Args:
            function: is compiled at the first call with arguments of these shapes.
            *arguments: arrays.
            static: further arguments that are part of the program.
            donate: which argument's memory the result may take.
            idle: arguments of the same shapes with which it does no work, for a backend that gets ready while it runs.
            key: what to know the function by, where it is not always the same object.
        """
        backend = keras.config.backend()
        if backend == "torch":
            import torch

            with torch.no_grad():
                return function(*keras.tree.map_structure(ops.convert_to_tensor, arguments), *static)
        shapes = tuple((leaf.shape, str(leaf.dtype)) for leaf in keras.tree.flatten(arguments))
        place = (key or function, static, shapes)
        program = self._compiled.get(place)
        if program is None:
            began = time.perf_counter()
            with self._lock:  # two threads that want the same program compile it once
                program = self._compiled.get(place)
                if program is None:
                    compile_ = _by_jax if backend == "jax" else _by_tensorflow
                    program = self._compiled[place] = compile_(function, arguments, static, donate, idle)
                    self.count += 1
            self._waited.seconds = self.seconds + time.perf_counter() - began
        return program(*arguments)


def _by_jax(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    static: tuple[int, ...],
    donate: int | None,
    idle: tuple[Any, ...] | None,
) -> Callable[..., Any]:
    import jax

    compiled = jax.jit(lambda *values: function(*values, *static), donate_argnums=() if donate is None else donate)
    return compiled.lower(*arguments).compile()


def _by_tensorflow(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    static: tuple[int, ...],
    donate: int | None,
    idle: tuple[Any, ...] | None,
) -> Callable[..., Any]:
    import tensorflow as tf

    # Arrays must be tensors before they reach the function, or their values would become part of it.
    compiled = tf.function(lambda *values: function(*values, *static), autograph=False)

    def call(*values: Any) -> Any:
        return compiled(*keras.tree.map_structure(tf.convert_to_tensor, values))

    if idle is not None:
        call(*idle)  # the graph is optimised at its first run
    return call

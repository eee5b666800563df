"""The nearest vectors whose entries are in order."""

from __future__ import annotations

from collections.abc import Callable

from feasible.backends import Array, namespace, repeat_while, without_gradient


def isotonic_regression(values: Array, is_ordered: Array | None = None) -> Array:
    """Return the nearest columns whose entries rise.

    Neighbours that are out of order are pooled, all at once, and become their mean, until none is.

    Args:
        values: Columns, of shape (length, *others).
        is_ordered: Which entries are not to be below the one before, of shape
            (length - 1, *others); by default all.

    Returns:
        An array of the same shape.

    Example:
        >>> import numpy as np
        >>> isotonic_regression(np.array([2.0, 1.0, 0.0, 5.0]))
        array([1., 1., 1., 5.])

    Source:
        Best, Chakravarti: Active set algorithms for isotonic regression, 1990.
    """
    xp = namespace(values)
    if values.shape[0] < 2:
        return values
    fixed = without_gradient(values)

    def pool(pooled: Array, _: Array) -> tuple[Array, Array]:
        means = _means(fixed, pooled)
        falls = ~pooled & (means[1:, ...] < means[:-1, ...])
        if is_ordered is not None:
            falls = falls & is_ordered
        return pooled | falls, xp.any(falls)

    none = xp.zeros_like(fixed[1:, ...], dtype=xp.bool)
    pooled, _ = repeat_while(lambda _, changed: changed, pool, pool(none, none))
    means = _means(values, pooled)
    # Once more, with what is small: sums of large entries are rounded.
    means = means + _means(values - means, pooled)
    # What is in no pool keeps its bits.
    edge = xp.zeros_like(pooled[:1, ...])
    alone = ~(xp.concat([edge, pooled]) | xp.concat([pooled, edge]))
    return xp.where(alone, values, _levelled(means, pooled))


def _means(values: Array, pooled: Array) -> Array:
    """Return for each entry the mean of its pool, each of which is a run of entries."""
    xp = namespace(values)
    sums, counts = _totals(values, pooled), _totals(xp.ones_like(values), pooled)
    return sums / counts


def _totals(values: Array, pooled: Array) -> Array:
    """Return for each entry the sum of its pool, by adding up ever longer runs."""
    xp = namespace(values)
    before = _run(values, pooled, xp.add)
    after = xp.flip(_run(xp.flip(values, axis=0), xp.flip(pooled, axis=0), xp.add), axis=0)
    return before + after - values


def _levelled(values: Array, pooled: Array) -> Array:
    """Return for each entry the first of its pool, so that all of a pool are equal."""

    def first(earlier: Array, later: Array) -> Array:
        del later
        return earlier

    return _run(values, pooled, first)


def _run(values: Array, joined: Array, combine: Callable[[Array, Array], Array]) -> Array:
    """Return each entry combined with those before it that are joined to it.

    In as many steps as a length has binary digits, each over a distance twice as long.
    """
    xp = namespace(values)
    length = values.shape[0]
    links = xp.concat([xp.zeros_like(joined[:1, ...]), joined])
    distance = 1
    while distance < length:
        later = combine(values[:-distance, ...], values[distance:, ...])
        reached = links[distance:, ...]
        values = xp.concat(
            [values[:distance, ...], xp.where(reached, later, values[distance:, ...])]
        )
        links = xp.concat([xp.zeros_like(links[:distance, ...]), reached & links[:-distance, ...]])
        distance *= 2
    return values

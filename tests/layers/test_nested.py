"""Layers that are arguments of layers, as configs."""

from __future__ import annotations

import json

import pytest

from feasible import layers
from feasible.layers import nested


def test_it_goes_through_json_and_back():
    layer = layers.Bidirectional(layers.RNN([layers.GRUCell(3, bias_constraint="non_neg")]))
    entry = json.loads(json.dumps(nested.serialize(layer)))
    assert (entry["module"], entry["registered_name"]) == ("keras.layers", None)
    again = nested.get(entry)
    assert nested.serialize(again) == nested.serialize(layer)
    assert again.backward_layer.cell.cells[0].bias_constraint is not None


def test_layers_stay_as_they_are():
    layer = layers.Dense(2)
    assert nested.get(layer) is layer
    assert nested.get([layer]) == [layer]
    assert nested.get(None) is None
    assert nested.serialize(None) is None


def test_every_layer_is_known():
    known = {kind.__name__ for kind in nested.LAYERS.things}
    assert {"Dense", "LSTM", "Conv1D"} <= known
    assert layers.Layer not in nested.LAYERS.things


class Own(layers.Dense):
    """A layer of a user's."""


def test_a_layer_of_the_users_is_written_but_not_found():
    entry = nested.serialize(Own(2))
    assert (entry["module"], entry["registered_name"]) == (__name__, "Own")
    with pytest.raises(ValueError, match=r"Unknown layer 'Own'\. .*custom_objects"):
        nested.get(entry)


@pytest.mark.parametrize("config", [{}, {"class_name": "Dense"}, {"class_name": 3, "config": {}}])
def test_what_is_no_config_is_refused(config):
    with pytest.raises(ValueError, match=r"that of one layer|missing a required argument: 'units'"):
        nested.get(config)


def test_a_name_that_is_near_is_named():
    with pytest.raises(ValueError, match="Did you mean 'LSTM'"):
        nested.get({"class_name": "LSTMM", "config": {}})

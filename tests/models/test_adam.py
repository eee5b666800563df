"""Adam beside PyTorch's, where both compute the same; `test_optimizers` has it beside Keras's."""

from __future__ import annotations

import copy

import pytest
import torch

from feasible.models.adam import Adam

OPTIONS = [{}, {"amsgrad": True}, {"weight_decay": 0.1, "decoupled_weight_decay": True}]


def three_steps(optimizer, weight, layout=torch.Tensor.contiguous):
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        gradient = torch.randn(3, 4, generator=generator, dtype=weight.dtype)
        weight.grad = layout(gradient)
        optimizer.step()
    return weight.detach()


def transposed(tensor):
    return tensor.t().contiguous().t()


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_without_epsilon_it_is_that_of_pytorch(options, dtype):
    ours, theirs = (torch.nn.Parameter(torch.ones(3, 4, dtype=dtype)) for _ in range(2))
    moved = three_steps(Adam([ours], lr=0.1, eps=0, **options), ours)
    wanted = three_steps(torch.optim.Adam([theirs], lr=0.1, eps=0, **options), theirs)
    torch.testing.assert_close(moved, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("of_gradient", [torch.Tensor.contiguous, transposed])
@pytest.mark.parametrize("of_weight", [torch.Tensor.contiguous, transposed])
def test_how_tensors_lie_in_memory_changes_nothing(of_weight, of_gradient):
    weight = torch.nn.Parameter(of_weight(torch.ones(3, 4)))
    plain = torch.nn.Parameter(torch.ones(3, 4))
    moved = three_steps(Adam([weight], lr=0.1), weight, of_gradient)
    torch.testing.assert_close(moved, three_steps(Adam([plain], lr=0.1), plain))


def test_it_goes_on_from_its_state_and_from_copies():
    weight = torch.nn.Parameter(torch.ones(3, 4))
    optimizer = Adam([weight], lr=0.1, eps=0.5)
    three_steps(optimizer, weight)
    copied_weight, copied = copy.deepcopy((weight, optimizer))
    loaded_weight = torch.nn.Parameter(weight.detach().clone())
    loaded = Adam([loaded_weight])
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    wanted = three_steps(optimizer, weight)
    assert torch.equal(three_steps(copied, copied_weight), wanted)
    assert torch.equal(three_steps(loaded, loaded_weight), wanted)
    assert loaded.param_groups[0]["eps"] == 0.5


def test_parameters_without_gradients_stay():
    used, unused = (torch.nn.Parameter(torch.ones(3, 4)) for _ in range(2))
    optimizer = Adam([used, unused])
    three_steps(optimizer, used)
    assert torch.equal(unused, torch.ones(3, 4))
    assert unused not in optimizer.state
    assert (used != 1).all()


def test_a_closure_is_run_with_gradients():
    weight = torch.ones(1, requires_grad=True)
    optimizer = Adam([weight])

    def closure():
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) == 1
    assert weight < 1

"""The weight clipping of a Wasserstein GAN: any callable is a constraint.

The critic's loss says how far two distributions are apart only if the critic cannot be steep. The
first WGAN (Arjovsky et al., ICML 2017) sees to that by clipping each of the critic's weights after
each of its steps. The rule is the critic's alone, and the generator's optimizer does not matter.

Trains a generator of numbers with and without clipping to match a mixture of two bells.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from feasible.report import align_columns
from feasible.torch import check, constrain

BOUND, BATCH, STEPS, CRITIC_STEPS = 0.2, 128, 400, 4


def clipped(w: Tensor) -> Tensor:
    """Return a weight with its entries between -BOUND and BOUND."""
    return w.clamp(-BOUND, BOUND)


def real() -> Tensor:
    """Draw from a mixture of two bells, around -1 and 2."""
    return 0.3 * torch.randn(BATCH, 1) + 3 * torch.randint(2, (BATCH, 1)) - 1


def network(inputs: int) -> nn.Sequential:
    """Return a function to one number."""
    return nn.Sequential(
        nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1)
    )


def distance(first: Tensor, second: Tensor) -> float:
    """Return the Wasserstein distance of two samples of numbers."""
    return float((first.sort(dim=0).values - second.sort(dim=0).values).abs().mean())


def train(constrained: bool) -> dict[str, float]:
    """Train a pair, and look at the critic's loss and slope and at what the generator makes."""
    generator, critic = network(4), network(1)
    if constrained:
        constrain(critic, {"*": clipped}, project=True)
    of_generator = torch.optim.RMSprop(generator.parameters(), lr=0.0005)
    of_critic = torch.optim.RMSprop(critic.parameters(), lr=0.005)
    losses, distances = [], []
    for _ in range(STEPS):
        for _ in range(CRITIC_STEPS):
            made = generator(torch.randn(BATCH, 4)).detach()
            loss = critic(made).mean() - critic(real()).mean()
            of_critic.zero_grad()
            loss.backward()
            of_critic.step()
        losses.append(abs(loss.item()))
        made = generator(torch.randn(BATCH, 4))
        distances.append(distance(made.detach(), real()))
        of_generator.zero_grad()
        critic(made).mean().neg().backward()
        of_generator.step()
    check(critic).raise_if_violated()

    with torch.no_grad():
        line = torch.linspace(-4, 5, 1000)[:, None]
        slopes = critic(line).diff(dim=0) / line.diff(dim=0)
        return {
            "critic's largest weight": max(float(it.abs().max()) for it in critic.parameters()),
            "critic's steepest slope": float(slopes.abs().max()),
            "critic's largest loss": max(losses),
            "distance, in the second half": sum(distances[STEPS // 2 :]) / (STEPS - STEPS // 2),
        }


def measure(constrained: bool, runs: int = 2) -> dict[str, float]:
    """Return means over some pairs, which differ much."""
    found = []
    for run in range(runs):
        torch.manual_seed(run)
        found.append(train(constrained))
    return {name: sum(one[name] for one in found) / runs for name in found[0]}


def main() -> None:
    """Print what was measured."""
    without, constrained = measure(False), measure(True)
    rows = [(name, f"{without[name]:.4g}", f"{constrained[name]:.4g}") for name in without]
    print(align_columns(("means of 2 runs", "without", "with clipping"), rows))


if __name__ == "__main__":
    main()

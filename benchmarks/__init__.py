"""What constraints cost, as ratios to the floor and to peers, each within one run."""

"""The policy probe: a policy's action at a frame, its predicted rollouts, and a reward model's values of both."""

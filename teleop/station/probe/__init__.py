"""The probe page: a policy's action from a frame, its predicted rollouts, and the reward of both."""

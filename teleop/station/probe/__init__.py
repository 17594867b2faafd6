"""The probe page: what a policy would do from a frame, and what the reward says of it."""

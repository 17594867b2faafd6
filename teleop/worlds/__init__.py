"""The worlds that sessions drive and the policy probe enters: a task of ours, or an outside environment."""

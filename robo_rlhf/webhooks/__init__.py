"""Webhooks: what happened, and the queue of deliveries to the addresses that asked for it."""

"""Webhooks: events, and the queue of their deliveries to subscribed addresses."""

"""The webhooks page, and the sender of deliveries."""

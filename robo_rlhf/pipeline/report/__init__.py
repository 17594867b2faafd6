"""The report of a run: findings, charts and the page that shows them."""

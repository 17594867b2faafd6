"""The page of the team's accounts."""

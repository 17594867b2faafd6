"""The page of the user's account."""

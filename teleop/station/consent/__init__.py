"""The consent page: the team's text, which each person agrees to before the first answer."""

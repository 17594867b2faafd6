"""Rights of people: what is stored about a person, erasing it, and a team's consent text."""

"""Live evaluative feedback: presses of + and - while a policy acts, as in TAMER."""

"""What people say: questions, answers, simulated teachers."""

"""Human feedback: questions, answers, live signals, simulated annotators."""

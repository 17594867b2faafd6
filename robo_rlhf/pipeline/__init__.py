"""The RLHF pipeline as resumable stages: behaviour cloning, questions, reward learning, fine-tuning, evaluation."""

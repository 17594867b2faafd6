"""The whole loop as resumable stages: imitate, ask, learn the reward, fine-tune, measure."""

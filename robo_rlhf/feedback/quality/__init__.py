"""Quality of answers: agreement, the reliability of annotators, and their trend."""

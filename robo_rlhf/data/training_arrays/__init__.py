"""Episodes as the arrays that learners read."""

"""The signal page: feedback pressed while a policy acts."""

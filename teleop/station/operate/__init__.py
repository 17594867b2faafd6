"""The operate page: live sessions, their operators and their viewers."""

"""The operate page: live sessions, and who drives and watches them."""

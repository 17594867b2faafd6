"""Teleoperation: devices, sessions and the operator station."""

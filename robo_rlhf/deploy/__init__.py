"""Policies outside of training: their export to ONNX or torch, a server for robots, and limits on what they may do."""

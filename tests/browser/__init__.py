"""Tests of pages in real Chromium."""

"""Backbones that several networks share."""

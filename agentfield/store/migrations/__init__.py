"""Numbered SQL migrations. They expand first and contract a release later."""

"""Name and version that drafts carry; the version is that of pyproject.toml (a test holds them equal)."""

NAME = "LungGTV"
VERSION = "0.1.0"

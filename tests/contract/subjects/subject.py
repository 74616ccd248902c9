"""What the subjects have in common."""

from __future__ import annotations

SECRET = "canary-secret"

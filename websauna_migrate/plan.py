"""The import path from before 0.1; it is removed in 0.2."""

from __future__ import annotations

from websauna_migrate.revisions.plan import Plan, PlanStep, make_plan

__all__ = ["Plan", "PlanStep", "make_plan"]

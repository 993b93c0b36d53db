"""The path of before 0.1 of what ``websauna_migrate`` exports; goes away in 0.2."""

from __future__ import annotations

from websauna_migrate.revisions.plan import Plan, PlanStep, make_plan

__all__ = ["Plan", "PlanStep", "make_plan"]

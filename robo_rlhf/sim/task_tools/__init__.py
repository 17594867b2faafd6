"""What tasks share: arm control, tolerances, style measures, a grid planner."""

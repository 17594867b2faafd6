"""Components shared by tasks: arm control, tolerances, style measures, a grid planner."""

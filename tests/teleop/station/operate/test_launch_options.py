"""Tasks that the pages offer and accept."""

from teleop.station.operate import launch_options


def test_task_with_another_robot_is_a_choice() -> None:
    plain, other = launch_options.task("reach"), launch_options.task("reach@arm6")
    assert plain in launch_options.tasks()
    assert plain is not None
    assert other == ("reach@arm6", f"{plain.about} With the robot arm6.")
    assert other not in launch_options.tasks()
    for name in ("", "reech", "reach@arm7", "reech@arm6"):
        assert launch_options.task(name) is None

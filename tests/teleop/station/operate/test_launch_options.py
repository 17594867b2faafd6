"""Tasks that the pages offer and accept."""

from teleop.station.operate import launch_options


def test_task_with_another_robot_is_a_choice() -> None:
    plain, other = launch_options.task("reach"), launch_options.task("reach@arm6")
    assert plain in launch_options.tasks()
    assert plain is not None
    assert other == ("reach@arm6", f"{plain.about} With the robot arm6.", False)
    assert plain.arm
    assert launch_options.robots() == ("arm", "arm6")
    assert other not in launch_options.tasks()
    for name in ("", "reech", "reach@arm7", "reech@arm6", "navigate_room@arm6"):
        assert launch_options.task(name) is None


def test_an_outside_environment_is_a_choice_where_the_command_line_names_it() -> None:
    assert launch_options.world("Pusher-v5", ()) is None
    found = launch_options.world("Pusher-v5@50", ["Pusher-v5@50"])
    assert found is not None
    assert (found.name, found.arm) == ("Pusher-v5@50", False)
    assert launch_options.world("reach@arm6", ["Pusher-v5"]) == launch_options.task("reach@arm6")

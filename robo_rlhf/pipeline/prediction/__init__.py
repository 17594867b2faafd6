"""What a run will probably take, before it is begun: demonstrations, answers and minutes to a success, with intervals.

`cloning` measures a minute's cloned policies, `earlier` reads what earlier runs came to, `model` joins the two,
`planning` makes a plan of them, `plan_file` keeps it beside the dataset and compares it with what came.
"""

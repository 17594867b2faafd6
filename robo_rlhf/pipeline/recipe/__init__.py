"""The recipe: what a pipeline run decides for itself, from a budget in minutes and answers, and from what it measures.

`speed` measures what things cost, `plan` makes counts and settings of that before anything is trained, and `trials`
chooses the cloned policy by the answers of the first round. Later choices are steps of the pipeline.
"""

"""What was to be reached on published results, and by how much a first prototype missed it, as data.

The prototype was one evening's work with the same folds' rules on a single draw; its representation was
each operator's FLOPs and bytes. None of its figures is measured here.
"""

from dataclasses import dataclass

from perfseer.evaluation.group_folds import Grouping


@dataclass(frozen=True)
class Goal:
    """One line of the table of goals; errors are MAPE of the time per step [%].

    Attributes:
        file: name of the result file.
        grouping: what is kept together by the folds.
        prototype: the best of the prototype's predictors.
        reach: what has to be reached.
        aim: what should be.
    """

    file: str
    grouping: Grouping
    prototype: float
    reach: float
    aim: float


_GPU_INFER = "infer-amp-nchw-pt240-cu124-rtx3090"
_GPU_TRAIN = "train-amp-nchw-pt112-cu113-rtx3090"
_CPU_INFER = "infer-fp32-nchw-pt240-cpu-i9_10940x-dynamo"
GOALS: tuple[Goal, ...] = (
    Goal(_GPU_INFER, "architecture", 4.56, 3.5, 2.5),
    Goal(_GPU_INFER, "family", 9.11, 7.0, 5.0),
    Goal(_GPU_TRAIN, "architecture", 4.95, 4.0, 2.5),
    Goal(_GPU_TRAIN, "family", 7.56, 6.0, 5.0),
    Goal(_CPU_INFER, "architecture", 9.12, 7.0, 5.0),
    Goal(_CPU_INFER, "family", 13.92, 11.0, 8.0),
)
# Share of measurements that predicted intervals should hold, where 90 % were asked for [%].
COVERAGE_PCT = (88.0, 92.0)


def goal_of(file: str, grouping: str) -> Goal | None:
    """The goal of a result file under a grouping; None where there is none."""
    return next((goal for goal in GOALS if (goal.file, goal.grouping) == (file, grouping)), None)

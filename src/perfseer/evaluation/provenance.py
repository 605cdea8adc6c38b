"""Which source each stage runs: the digest of these rooms is a parameter of every rule and record.

The same lists stand as ``deps`` in ``dvc.yaml`` (a test compares them), because neither tool sees an edit
inside an imported package by itself.
"""

_TRAIN = (
    "errors.py",
    "targets.py",
    "digests.py",
    "graphs",
    "measure/kernels/sampling.py",
    "measure/kernels/table.py",
    "measure/table.py",
    "data/*.py",
    "data/devices.csv",
    "nn",
    "training",
    "predictors/*.py",
    "predictors/memory",
    "evaluation/*.py",
    "cli/train.py",
)
CODE_ROOMS: dict[str, tuple[str, ...]] = {
    "collect": (
        *("errors.py", "targets.py", "digests.py", "settings.py"),
        *("zoo", "measure/*.py", "cli/collect.py", "cli/measuring.py", "parameters.py"),
    ),
    "trust": (
        *("errors.py", "targets.py", "digests.py", "settings.py"),
        *("zoo", "measure/*.py", "measure/trust", "cli/trust.py", "cli/measuring.py", "parameters.py"),
    ),
    "join": (
        *("errors.py", "targets.py", "digests.py"),
        *("measure/table.py", "measure/merging.py", "cli/tables.py"),
    ),
    "import": (
        *("errors.py", "targets.py", "digests.py"),
        *("graphs", "measure/table.py", "data/*.py", "data/sources/perfseer_release", "cli/release.py"),
    ),
    "kernels": (
        *("errors.py", "targets.py", "digests.py", "settings.py"),
        *("graphs", "zoo", "measure", "data/files.py", "data/ragged.py"),
        *(
            "predictors/parts/forests.py",
            "predictors/parts/kernel_forests.py",
            "predictors/parts/kernel_tables.py",
        ),
        *("cli/kernels.py", "cli/measuring.py", "parameters.py"),
    ),
    "survey": ("errors.py", "digests.py", "settings.py", "graphs", "zoo", "cli/zoo.py"),
    "graphs": ("errors.py", "digests.py", "settings.py", "graphs", "zoo", "data/*.py", "cli/dataset.py"),
    "dataset": (
        *("errors.py", "targets.py", "digests.py"),
        *("graphs", "measure/*.py", "data/*.py", "cli/dataset.py"),
    ),
    "train": _TRAIN,
    "summarize": ("evaluation/*.py", "cli/train.py"),
    "ablation": (
        *_TRAIN,
        *("predictors/library/seernet.py", "predictors/library/seernet_multi.py"),
        *("evaluation/ablation", "studies/ablation/verbs.py"),
    ),
    "benchmark": (
        *(
            "measure/awake.py",
            "measure/forked.py",
            "measure/heap.py",
            "measure/outcomes.py",
            "measure/process_memory.py",
        ),
        *("evaluation/benchmark", "studies/benchmark/verbs.py"),
    ),
    "report": (
        *("targets.py", "digests.py"),
        *("data/*.py", "predictors", "evaluation", "reporting", "cli/report.py"),
    ),
}


def training_rooms(predictor: str) -> tuple[str, ...]:
    """What fitting one predictor runs: the shared rooms and its own file, so that no other one's counts."""
    return (*CODE_ROOMS["train"], f"predictors/library/{predictor}.py")

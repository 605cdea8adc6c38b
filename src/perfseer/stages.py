"""Stages of DVC: coarse, versioned boundaries around the jobs of Snakemake, which owns the fine DAG.

``dvc.yaml`` is written from them (`perfseer params stages`), because DVC must be told every file of source
code that a stage depends on, and only the code itself knows (`perfseer.provenance`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfseer.provenance import ROOT, closure

_COMMAND = "snakemake --workflow-profile workflow/profiles/dvc"
# Stand in every stage: helpers of all rules.
_SHARED_RULES = ("common",)


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: in dvc.yaml and dvc.lock.
        target: what Snakemake is asked for.
        modules: full names of what its jobs run: their verbs, and what those load by name.
        rules: files below ``workflow/rules`` without ending.
        reads: files and folders of results.
        params: sections of params.yaml, or dotted paths into it.
        writes: files and folders of results, which DVC keeps.
        shows: files for people, which git keeps.
    """

    name: str
    target: str
    modules: tuple[str, ...]
    rules: tuple[str, ...]
    params: tuple[str, ...]
    writes: tuple[str, ...]
    reads: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()

    def as_mapping(self) -> dict[str, Any]:
        """The stage as it stands in dvc.yaml."""
        rules = (f"workflow/rules/{name}.smk" for name in (*_SHARED_RULES, *self.rules))
        return {
            "cmd": f"{_COMMAND} {self.target}",
            "deps": [*self.reads, *source_files(self.modules), *rules],
            "params": list(self.params),
            "outs": [*self.writes, *({name: {"cache": False}} for name in self.shows)],
        }


def source_files(modules: Iterable[str]) -> list[str]:
    """Source that running some modules may read, from the root of the repository; whole folders as one."""
    files = set(closure(*modules))
    whole: list[Path] = []
    for folder in sorted({parent for file in files for parent in file.parents if ROOT in parent.parents}):
        inside = {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        if inside <= files and not any(parent in whole for parent in folder.parents):
            whole.append(folder)
    single = [file for file in files if not any(parent in whole for parent in file.parents)]
    base = ROOT.parent.parent
    return sorted(path.relative_to(base).as_posix() for path in (*whole, *single))


def dvc_stages(stages: Iterable[Stage]) -> dict[str, Mapping[str, Any]]:
    """Section ``stages`` of dvc.yaml."""
    return {stage.name: stage.as_mapping() for stage in stages}

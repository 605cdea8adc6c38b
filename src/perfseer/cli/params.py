"""``perfseer params``: check params.yaml, print its JSON schema and the stages of DVC that follow from it."""

import json
from typing import Annotated

import typer


def params_check(
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
) -> None:
    """Check every parameter; a fault names the parameter, its value and what is allowed."""
    from perfseer.cli.schema import Parameters
    from perfseer.parameters import load_mapping

    parameters = Parameters.from_mapping(load_mapping(params))
    typer.echo(
        f"{params}: valid, {len(parameters.predictor_names)} predictors, "
        f"{len(parameters.splits.names)} splits, {len(parameters.seeds)} seeds"
    )


def params_schema() -> None:
    """Print the JSON schema of params.yaml (kept in workflow/schemas/params.schema.json)."""
    from perfseer.cli.schema import Parameters

    typer.echo(json.dumps(Parameters.json_schema(), indent=2))


def params_stages(params: Annotated[str, typer.Option(help="params.yaml.")] = "params.yaml") -> None:
    """Print dvc.yaml: every stage, with the source code that the code itself says it depends on."""
    from perfseer.cli.pipeline import dvc_file
    from perfseer.parameters import load_mapping

    typer.echo(dvc_file(load_mapping(params)), nl=False)

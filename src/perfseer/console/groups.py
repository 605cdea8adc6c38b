"""Groups of verbs, such as ``perfseer public …``: made once, whoever adds to them first."""

import typer

# Verbs on published results are added by several rooms.
PUBLIC = "public"
PUBLIC_HELP = "Published measurements of known models: read them, learn from them."


def group(app: typer.Typer, name: str, help_text: str) -> typer.Typer:
    """The group called ``name``, made where it does not exist yet.

    Args:
        app: the command it belongs to.
        name: of the group.
        help_text: what its verbs are about.
    """
    for registered in app.registered_groups:
        if registered.name == name and registered.typer_instance is not None:
            return registered.typer_instance
    made = typer.Typer(help=help_text, no_args_is_help=True)
    app.add_typer(made, name=name)
    return made

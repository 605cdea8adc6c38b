"""Options on the inputs of models, the same for every verb that captures one."""

from typing import Annotated

import typer

_Texts = list[str] | None

InputShape = Annotated[
    _Texts,
    typer.Option(
        help="One sample: 3x224x224; 128,128 for two inputs. Or whole by name: ids=1x128, repeated "
        "(default: the model's own).",
        show_default=False,
    ),
]
InputType = Annotated[
    _Texts,
    typer.Option(help="Such as float32; int64 for tokens; by name: ids=int64, repeated.", show_default=False),
]
Dim = Annotated[
    _Texts,
    typer.Option(help="Size of a free dimension of a file: seq=128, repeated.", show_default=False),
]
BatchDim = Annotated[
    _Texts,
    typer.Option(
        help="Which dimension is the batch, from 0; by input: x=1, mask=none (default: the first).",
        show_default=False,
    ),
]

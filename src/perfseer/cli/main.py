"""The ``perfseer`` command: registers the verbs, turns user faults into messages and exit codes.

Exit codes: 0 done, 1 internal error, 2 what was given is at fault, 3 a table breaks rules or a prediction
is doubtful, 130 interrupted.
"""

import errno
import sys
from collections.abc import Callable

import typer
from rich.console import Console
from rich.markup import escape

from perfseer.cli.calibrate import calibrate
from perfseer.cli.check import check
from perfseer.cli.collect import collect
from perfseer.cli.dataset import dataset
from perfseer.cli.graph import graph_show
from perfseer.cli.graphs import graph_build
from perfseer.cli.kernels import kernels
from perfseer.cli.merge import merge
from perfseer.cli.params import params_check, params_schema, params_stages
from perfseer.cli.predict import predict
from perfseer.cli.predictors import predictors_list, predictors_show
from perfseer.cli.public import graphs as public_graphs
from perfseer.cli.public import table as public_table
from perfseer.cli.release import export_dataset, import_release
from perfseer.cli.report import report
from perfseer.cli.sources import source_list, source_table
from perfseer.cli.summarize import summarize
from perfseer.cli.train import train
from perfseer.cli.trust import protocol_study, remeasure
from perfseer.cli.zoo import zoo_sample, zoo_survey
from perfseer.console.groups import PUBLIC, PUBLIC_HELP, group
from perfseer.console.streams import guarded
from perfseer.errors import PerfseerError
from perfseer.lifeline import follow_run
from perfseer.studies import shelf
from perfseer.text import plain

# Of names that no file can have, whoever gave them is at fault.
_NO_SUCH_NAMES = (errno.ENAMETOOLONG, errno.ELOOP)

app = typer.Typer(
    name="perfseer",
    help="What a deep-learning model will cost on a device, before it is run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
graph = typer.Typer(help="Model graphs: look at one, or build those of a table.", no_args_is_help=True)
zoo = typer.Typer(help="The PerfSeer search space: sample it, survey it.", no_args_is_help=True)
predictors = typer.Typer(help="Fitted predictors: list them, look at one.", no_args_is_help=True)
source = typer.Typer(help="Published measurements: list them, read one as a table.", no_args_is_help=True)
params = typer.Typer(help="params.yaml: check it, print what follows from it.", no_args_is_help=True)

app.command("collect")(collect)
app.command("remeasure")(remeasure)
app.command("protocol-study")(protocol_study)
app.command("check")(check)
app.command("merge")(merge)
app.command("kernels")(kernels)
app.command("import")(import_release)
app.command("export")(export_dataset)
app.command("dataset")(dataset)
app.command("train")(train)
app.command("summarize")(summarize)
app.command("report")(report)
app.command("predict")(predict)
app.command("calibrate")(calibrate)
graph.command("show")(graph_show)
graph.command("build")(graph_build)
zoo.command("sample")(zoo_sample)
zoo.command("survey")(zoo_survey)
predictors.command("list")(predictors_list)
predictors.command("show")(predictors_show)
source.command("list")(source_list)
source.command("table")(source_table)
params.command("check")(params_check)
params.command("schema")(params_schema)
params.command("stages")(params_stages)
app.add_typer(graph, name="graph")
app.add_typer(zoo, name="zoo")
public = group(app, PUBLIC, PUBLIC_HELP)
public.command("table")(public_table)
public.command("graphs")(public_graphs)
shelf.register(app)
app.add_typer(predictors, name="predictors")
app.add_typer(source, name="source")
app.add_typer(params, name="params")


def run() -> None:
    """Entry point: a `PerfseerError` or a file-system refusal becomes one message, never a traceback."""
    follow_run()
    with guarded() as out:
        code = _ended(_run)
        if not out.failed:
            code = _ended(out.flush) or code
        if code:
            out.close_quietly()
    sys.exit(code)


def _run() -> None:
    app()


def _ended(work: Callable[[], None]) -> int:
    """Exit code of doing ``work``; what went wrong is said on standard error."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except PerfseerError as error:
        console.print(f"[bold red]error:[/] {escape(plain(str(error)))}")
        return error.exit_code
    except BrokenPipeError:
        return 1  # whoever reads has enough
    except OSError as error:
        console.print(f"[bold red]error:[/] {escape(plain(_explain(error)))}")
        return 2 if error.errno in _NO_SUCH_NAMES else 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    return 0


def _explain(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"the file system refused: {error.strerror or error}{where}; check space and permissions"


if __name__ == "__main__":
    run()

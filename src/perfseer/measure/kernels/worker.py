"""The process that times kernels and pairs of operators, asked one line at a time.

``python -m perfseer.measure.kernels.worker``; the same lines on stdin and stdout as
`perfseer.measure.worker`, but everything is timed in this one process: a kernel has no memory label.
"""

import gc
from typing import Any

from perfseer.measure.heap import keep_freed_blocks
from perfseer.measure.kernels.bench import Place, time_kernel
from perfseer.measure.kernels.fusion import measure_outputs, measure_pair
from perfseer.measure.kernels.settings import FusionSettings
from perfseer.measure.meters import Meter
from perfseer.measure.outcomes import Outcome, guarded
from perfseer.measure.settings import Protocol
from perfseer.measure.worker import main


def carry_out(meter: Meter, request: dict[str, Any]) -> Outcome:
    """One kernel in one phase, one pair, or one pair with a second consumer.

    Args:
        meter: made ready by `measure.worker.start`; only its device counts here.
        request: ``what`` (``kernel``, ``pair`` or ``outputs``), ``place`` and what that needs.
    """
    keep_freed_blocks()
    gc.collect()
    gc.disable()  # a collection inside an iteration would be timed as part of it
    place = Place(device=meter.device_kind, **request["place"])

    def work() -> dict[str, Any]:
        if request["what"] == "kernel":
            arguments = (request["name"], request["configuration"], request["phase"])
            return time_kernel(*arguments, place, Protocol(**request["protocol"]), request["copies"])
        test = {"pair": measure_pair, "outputs": measure_outputs}[request["what"]]
        return test(tuple(request["pair"]), FusionSettings(**request["fusion"]), place)

    return guarded(work)


if __name__ == "__main__":
    main(carry_out)

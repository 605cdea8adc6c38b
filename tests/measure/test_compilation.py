import shutil

import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.measure.compilation import require_compiler, require_cpp_compiler, require_triton
from perfseer.measure.steps import Batch, make_step


def program(folder, name):
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_cpp_compiler_is_looked_for_in_cxx_and_then_on_the_path(tmp_path):
    nothing = {"PATH": str(tmp_path)}
    with pytest.raises(PerfseerError, match=r"g\+\+, clang\+\+, c\+\+"):
        require_cpp_compiler(nothing)
    own = program(tmp_path, "my-compiler")
    require_cpp_compiler({**nothing, "CXX": f"{own} -O2"})
    require_cpp_compiler({**nothing, "CXX": "my-compiler"})
    with pytest.raises(PerfseerError, match="other-compiler"):
        require_cpp_compiler({**nothing, "CXX": "other-compiler"})
    program(tmp_path, "clang++")
    require_cpp_compiler(nothing)


def test_triton_is_needed_on_cuda_and_a_device_it_knows(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PerfseerError, match="Triton"):
        require_triton((9, 0))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    require_triton((7, 0))
    with pytest.raises(PerfseerError, match=r"7\.0 .* 6\.1"):
        require_triton((6, 1))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("phase", ["train", "infer"])
def test_a_compiled_step_computes_what_the_eager_one_does(phase, monkeypatch):
    require_compiler("cpu")
    compile_, calls = torch.compile, []
    monkeypatch.setattr(torch, "compile", lambda model, **how: calls.append(how) or compile_(model, **how))

    def after_two_steps(mode):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)]
        model = nn.Sequential(*layers)
        step = make_step(model, Batch((2, 3, 8, 8), "fp32", "nchw", "cpu", mode), phase)
        step()
        step()
        return list(model.state_dict().values())

    eager = after_two_steps("eager")
    assert calls == []
    compiled = after_two_steps("compiled")
    assert calls == [{"dynamic": False}]
    for one, other in zip(eager, compiled, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_earlier_models_are_forgotten_before_one_is_compiled(monkeypatch):
    order = []
    monkeypatch.setattr(torch.compiler, "reset", lambda: order.append("reset"))
    monkeypatch.setattr(torch, "compile", lambda model, **how: order.append("compile") or model)
    make_step(nn.Flatten(), Batch((2, 3), "fp32", "nchw", "cpu", "compiled"), "infer")()
    assert order == ["reset", "compile"]

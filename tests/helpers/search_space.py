"""The paper's search space at 64 pixels as parameters name it, its survey, and one network written out."""

from typing import Any

from perfseer.zoo.space import ArchitectureSpec
from perfseer.zoo.stages import GoogLeNetStage, MobileNetStage, ResNetStage, VggStage

SPACE: dict[str, Any] = {
    "seed": 0,
    "styles": ["vgg", "googlenet", "resnet", "densenet", "mobilenet"],
    "resolution": 64,
    "in_channels": 3,
    "stem_channels": 32,
    "n_classes": 100,
    "depth": [1, 4],
    "width": [16, 512],
    "max_parameters": 260_000_000,
}
SURVEY: dict[str, Any] = {
    "architectures": 3,
    "resolution": 64,
    "n_classes": 10,
    "depth": [1, 2],
    "width": [8, 64],
    "batch_sizes": [1, 2, 5, 16],
}
LITERAL = ArchitectureSpec(
    version=1,
    in_channels=3,
    stem_channels=8,
    stages=(
        VggStage(depth=1, width=8, kernel=3),
        GoogLeNetStage(depth=1, width=8, shares=(2, 4, 1, 1), reduction=1),
        ResNetStage(depth=1, width=8, expansion=2, groups=2),
        MobileNetStage(depth=1, width=8, kernel=3, expansion=2),
    ),
    n_classes=10,
)

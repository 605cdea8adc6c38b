"""README's table of accuracy is that of the report."""

import subprocess
import sys

import pytest

from perfseer.errors import PerfseerError
from perfseer.studies.comparison.headline import headline, renewed
from tests.helpers.places import ROOT

REPORT = """\
#### Training time, `architecture`

| predictor | MAPE [%] | Spearman |
| :-- | --: | --: |
| roofline | 15.0 ± 3.9 | 0.98 |
| brp_nas | 95 ± 19 | 0.1 |
| measurement noise (floor) | 4.5 (3 to 6) | – |

#### Training memory, `architecture`

| predictor | MAPE [%] | Spearman |
| :-- | --: | --: |
| roofline | 9.7 ± 4.7 | 0.98 |
| measurement noise (floor) | 0.5 (0.2 to 0.8) | – |

#### Inference time, `architecture`

| predictor | MAPE [%] | Spearman |
| :-- | --: | --: |
| roofline | 26 ± 5 | 0.93 |

#### Inference memory, `architecture`

| predictor | MAPE [%] | Spearman |
| :-- | --: | --: |
| roofline | 15 ± 7 | 0.94 |

#### Training time, `random`

| predictor | MAPE [%] | Spearman |
| :-- | --: | --: |
| roofline | 1.0 ± 0.1 | 0.99 |
"""
TABLE = """\
| predictor | training time | training memory | inference time | inference memory |
|---|--:|--:|--:|--:|
| roofline | 15.0 ± 3.9 | 9.7 ± 4.7 | 26 ± 5 | 15 ± 7 |
| brp_nas (operator types only) | 95 ± 19 | n/a | n/a | n/a |
| *measurement noise: nobody can be better* | 4.5 (3 to 6) | 0.5 (0.2 to 0.8) | n/a | n/a |
"""


def test_the_table_has_the_headline_split_and_says_what_is_not_claimed():
    assert headline(REPORT) == TABLE


def test_only_the_table_is_replaced():
    before, after = "words | of one | kind\n\n", "\n| report | answers |\n|---|---|\n"
    old = "| predictor | training time | x |\n|---|--:|--:|\n| old | 1 | 2 |\n"
    assert renewed(before + old + after, REPORT) == before + TABLE + after


@pytest.mark.parametrize("report", ["", REPORT.replace("#### Inference memory", "#### Other")])
def test_a_report_without_a_label_is_refused(report):
    with pytest.raises(PerfseerError):
        headline(report)


def test_the_committed_readme_has_the_table_of_the_committed_report():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert headline((ROOT / "reports/comparison.md").read_text(encoding="utf-8")) in readme


def test_the_command_renews_a_file(tmp_path):
    readme, report = tmp_path / "README.md", tmp_path / "comparison.md"
    readme.write_text("| predictor | training time |\n|---|--:|\n| old | 1 |\n\nend\n", encoding="utf-8")
    report.write_text(REPORT, encoding="utf-8")
    module = "perfseer.studies.comparison.headline"
    subprocess.run([sys.executable, "-m", module, str(readme), str(report)], check=True)
    assert readme.read_text(encoding="utf-8") == TABLE + "\nend\n"

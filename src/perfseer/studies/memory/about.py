"""What the study is about: forecasts of memory. Its results stand in the document of `studies.public`."""

from perfseer.studies.shelf import Study

ABOUT = Study()

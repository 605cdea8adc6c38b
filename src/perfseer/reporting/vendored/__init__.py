"""Code of others that pages carry with them; README.md has its versions, licences and digests."""

from pathlib import Path

DATATABLES = Path(__file__).with_name("dataTables.min.js")
DATATABLES_LICENCE = Path(__file__).with_name("dataTables.LICENSE.txt")
# What is vendored: package, version, licence and digests; for people and the test that holds it.
REGISTER = Path(__file__).with_name("README.md")

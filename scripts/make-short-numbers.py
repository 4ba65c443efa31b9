#!/usr/bin/env python3
"""Writes engine/data/short-numbers.tsv from libphonenumber's metadata of short numbers, which the Python package has and the Rust
crate has not. To make it anew:

    python3 -m venv .tools/short && .tools/short/bin/pip install phonenumbers==9.0.43
    .tools/short/bin/python scripts/make-short-numbers.py > engine/data/short-numbers.tsv

One line for each region and use: `emergency` (dialed for help), `premium` (costs more than an ordinary call), `code` (any other short
number); then a regular expression over digits.
"""

import phonenumbers
from phonenumbers import PhoneMetadata, SUPPORTED_SHORT_REGIONS


def pattern(description):
    if description is None or not description.possible_length:
        return None
    text = description.national_number_pattern
    return None if text in (None, "NA") else "".join(text.split())


print(f"# libphonenumber {phonenumbers.__version__}, Apache-2.0; made by scripts/make-short-numbers.py.")
print("# region\tuse\tpattern")
for region in sorted(SUPPORTED_SHORT_REGIONS):
    metadata = PhoneMetadata.short_metadata_for_region(region)
    for use, description in [
        ("emergency", metadata.emergency),
        ("premium", metadata.premium_rate),
        ("code", metadata.short_code),
    ]:
        text = pattern(description)
        if text is not None:
            print(f"{region}\t{use}\t{text}")

#!/usr/bin/env python3
"""Writes a C file with the bytes of the given assets: embed.py OUT.c FILE..."""
import os
import re
import sys

with open(sys.argv[1], "w", encoding="ascii") as out:
    out.write('#include "hall_assets.h"\n')
    for path in sys.argv[2:]:
        name = re.sub(r"[^a-z0-9]", "_", os.path.basename(path).lower())
        data = open(path, "rb").read()
        out.write("const unsigned char hall_%s[] = {" % name)
        out.write(",".join(str(b) for b in data))
        out.write("};\nconst unsigned long hall_%s_len = %d;\n" % (name, len(data)))

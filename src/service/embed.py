"""Writes a C file with the bytes of each NAME=FILE as a NUL-terminated array dw_embedded_NAME."""
import sys

with open(sys.argv[1], "w") as out:
    out.write('#include "service/embedded.h"\n')
    for pair in sys.argv[2:]:
        name, path = pair.split("=", 1)
        with open(path, "rb") as f:
            data = f.read()
        out.write("\nconst char dw_embedded_%s[] = {\n" % name)
        for i in range(0, len(data), 24):
            out.write("    " + ", ".join(str(b if b < 128 else b - 256) for b in data[i:i + 24]) + ",\n")
        out.write("    0,\n};\n")

"""Writes the words of alerts as a sorted C table: words.py OUT.c EN.json DE.json (languages in the order of dw_ipc)."""
import json
import sys

tables = []
for path in sys.argv[2:]:
    with open(path, encoding="utf-8") as f:
        tables.append(json.load(f))
for table in tables[1:]:
    if set(table) != set(tables[0]):
        sys.exit("words.py: the languages have different keys: %s" % sorted(set(table) ^ set(tables[0])))


def quoted(text):
    out = ""
    for b in text.encode("utf-8"):
        out += chr(b) if 32 <= b < 127 and b not in b'"\\?' else "\\%03o" % b
    return '"' + out + '"'


with open(sys.argv[1], "w", encoding="ascii") as out:
    out.write('#include "hub/alert/words.h"\n\nconst struct words_row words_table[] = {\n')
    for key in sorted(tables[0]):
        out.write("    {%s, {%s}},\n" % (quoted(key), ", ".join(quoted(t[key]) for t in tables)))
    out.write("};\nconst size_t words_count = sizeof(words_table) / sizeof(words_table[0]);\n")

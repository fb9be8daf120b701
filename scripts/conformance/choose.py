"""choose.py ALL LIST REGEX: the ids of ALL that LIST has (any, when it is empty) and REGEX matches. `[id-..]` is ignored."""
import re
import sys

_, everything, wanted, regex = sys.argv


def ids(path):
    with open(path) as f:
        return [line.strip() for line in f if line.strip()]


wanted = {re.sub(r'\[.*', '', line) for line in ids(wanted)}
for test in ids(everything):
    name = re.sub(r'\[.*', '', test)
    if (not wanted or name in wanted) and re.search(regex, name):
        print(test)

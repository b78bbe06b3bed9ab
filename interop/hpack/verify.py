"""Decodes our encoder's stories with other people's decoders: python3 verify.py OUT"""

import glob
import os
import sys

import coders
from story import read, unescape


def check(title, lines, decoder):
    decoder = decoder()
    expected, block = [], None

    def settle():
        if block is not None and decoder.decode(block) != expected:
            sys.exit(f"{title}: {decoder.name} reads something else")

    for words in lines:
        if words[0] == "field":
            expected.append((unescape(words[1]), unescape(words[2])))
            continue
        settle()
        block = None
        if words[0] == "size":
            decoder.set_table_size(int(words[1]))
        else:
            expected, block = [], bytes.fromhex(words[1])
    settle()


def main():
    paths = glob.glob(os.path.join(sys.argv[1], "ours", "*.story"))
    if not paths:
        sys.exit(f"no stories of ours in {sys.argv[1]}/ours: run the test with TRAMLINE_HPACK_STORIES first")
    count = 0
    for path in paths:
        for title, lines in read(path):
            for decoder in coders.decoders():
                check(title, lines, decoder)
            count += 1
    print(f"{count} stories of ours, read by {', '.join(decoder.name for decoder in coders.decoders())}")


main()

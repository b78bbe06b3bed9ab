"""The text of stories: what README.md describes."""


def escape(data):
    return "".join(chr(octet) if 0x20 < octet < 0x7F and octet != 0x5C else f"\\x{octet:02x}" for octet in data)


def unescape(text):
    out, at = bytearray(), 0
    while at < len(text):
        if text[at] == "\\":
            out.append(int(text[at + 2 : at + 4], 16))
            at += 4
        else:
            out.append(ord(text[at]))
            at += 1
    return bytes(out)


def read(path):
    """Stories of a file: (title, lines), each line split in words."""
    stories = []
    for line in open(path, encoding="ascii"):
        words = line.rstrip("\n").split(" ")
        if words[0] == "story":
            stories.append((" ".join(words[1:]), []))
        elif words[0]:
            stories[-1][1].append(words)
    return stories

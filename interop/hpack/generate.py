"""Writes HPACK stories by other people's encoders: python3 generate.py OUT [SEED [COUNT]]"""

import os
import random
import sys

import coders
from story import escape

NAMES = [b"x-%d" % n for n in range(12)] + [
    b"cookie", b"accept", b"grpc-timeout", b"grpc-encoding", b"authorization", b"trace-bin", b"content-length", b"date",
]
PATHS = [b"/helloworld.Greeter/SayHello", b"/grpc.testing.TestService/UnaryCall", b"/", b"/a/b/c"]


def value(rng):
    kind = rng.randrange(8)
    if kind == 0:
        return b""
    if kind == 1:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(40)))
    if kind == 2:
        return b"long " * rng.randrange(100)
    if kind == 3:
        return b"%d" % rng.randrange(1 << 40)
    return b"value-%d" % rng.randrange(10)


def fields(rng):
    """A request, an answer, or trailers, with (name, value, is secret)."""
    kind = rng.randrange(3)
    if kind == 0:
        head = [(b":method", b"POST"), (b":scheme", rng.choice([b"http", b"https"])), (b":path", rng.choice(PATHS)),
                (b":authority", b"localhost:50051"), (b"te", b"trailers"), (b"content-type", b"application/grpc"),
                (b"user-agent", b"grpc-go/1.%d.0" % rng.randrange(4))]
    elif kind == 1:
        head = [(b":status", rng.choice([b"200", b"404", b"418"])), (b"content-type", b"application/grpc")]
    else:
        head = [(b"grpc-status", b"%d" % rng.randrange(17)), (b"grpc-message", value(rng))]
    more = [(rng.choice(NAMES), value(rng)) for _ in range(rng.randrange(6))]
    return [(name, text, name == b"authorization" or rng.random() < 0.05) for name, text in head + more]


def sizes(rng):
    return rng.choice([0, 1, 50, 64, 256, 1000, 4096, 8192, 65536])


def story(encoder, rng, lines):
    for _ in range(rng.randrange(2, 12)):
        changes = [sizes(rng) for _ in range(rng.choice([0, 0, 0, 1, 2, 3]))]
        if encoder.name == "python-hpack":
            # Of several changes it signals some that no decoder may accept, or none at
            # all (RFC 7541 §4.2 wants the smallest and the last).
            changes = changes[-1:]
        for size in changes:
            encoder.set_table_size(size)
            lines.append(f"size {size}")
        section = fields(rng)
        lines.append("block " + encoder.encode(section, rng.random() < 0.7).hex())
        lines += [f"field {escape(name)} {escape(text)}" for name, text, _ in section]


def mutate(rng, block):
    octets = bytearray(block)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(octets)) if octets else 0
        kind = rng.randrange(4)
        if kind == 0 and octets:
            octets[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and octets:
            del octets[at]
        elif kind == 2:
            octets.insert(at, rng.choice([0x00, 0x20, 0x3F, 0x40, 0x7F, 0x80, 0xBE, 0xFF, rng.randrange(256)]))
        elif octets:
            del octets[at:]
    return bytes(octets)


def verdict(decoder, blocks):
    """The fields of the last block, or None if it is refused."""
    decoder = decoder()
    for block in blocks[:-1]:
        decoder.decode(block)
    try:
        return decoder.decode(blocks[-1])
    except coders.Refused:
        return None


def broken(encoder, rng, lines):
    """A good block that fills the table, and one that is damaged. False if the judges disagree."""
    first = fields(rng)
    blocks = [encoder.encode(first, True), mutate(rng, encoder.encode(fields(rng), True))]
    verdicts = [verdict(decoder, blocks) for decoder in coders.decoders()]
    if any(other != verdicts[0] for other in verdicts[1:]):
        return False
    lines.append("block " + blocks[0].hex())
    lines += [f"field {escape(name)} {escape(text)}" for name, text, _ in first]
    lines.append(("refused " if verdicts[0] is None else "block ") + blocks[1].hex())
    lines += [f"field {escape(name)} {escape(text)}" for name, text in verdicts[0] or []]
    return True


def main():
    out = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 300
    os.makedirs(out, exist_ok=True)
    rng = random.Random(seed)
    if not coders.NGHTTP2:
        print("no libnghttp2 here (Debian: libnghttp2-14): its stories are not written")
    for encoder in coders.encoders():
        lines, kept = [], 0
        for n in range(count):
            lines.append(f"story {encoder.name} seed {seed} number {n}")
            story(encoder(), rng, lines)
        while kept < count:
            attempt = [f"story {encoder.name} seed {seed} damaged {kept}"]
            if broken(encoder(), rng, attempt):
                lines += attempt
                kept += 1
        path = os.path.join(out, f"{encoder.name}.story")
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        print(f"{path}: {count} stories and {count} damaged ones, seed {seed}")


main()

"""HPACK by other people: Python's hpack, and libnghttp2 by ctypes."""

import ctypes
import ctypes.util

import hpack


class Refused(Exception):
    """The block is malformed."""


class PythonEncoder:
    name = "python-hpack"

    def __init__(self):
        self.encoder = hpack.Encoder()

    def set_table_size(self, size):
        self.encoder.header_table_size = size

    def encode(self, fields, huffman):
        tuples = [
            hpack.NeverIndexedHeaderTuple(name, value) if secret else hpack.HeaderTuple(name, value)
            for name, value, secret in fields
        ]
        return self.encoder.encode(tuples, huffman=huffman)


class PythonDecoder:
    name = "python-hpack"

    def __init__(self):
        self.decoder = hpack.Decoder(max_header_list_size=1 << 20)

    def set_table_size(self, size):
        self.decoder.max_allowed_table_size = size

    def decode(self, block):
        try:
            return [(bytes(name), bytes(value)) for name, value in self.decoder.decode(block, raw=True)]
        except (hpack.HPACKError, UnicodeDecodeError, IndexError) as error:
            raise Refused(str(error)) from error


class Nv(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.POINTER(ctypes.c_uint8)),
        ("value", ctypes.POINTER(ctypes.c_uint8)),
        ("namelen", ctypes.c_size_t),
        ("valuelen", ctypes.c_size_t),
        ("flags", ctypes.c_uint8),
    ]


def load_nghttp2():
    found = ctypes.util.find_library("nghttp2") or "libnghttp2.so.14"
    try:
        return ctypes.CDLL(found)
    except OSError:
        return None


NGHTTP2 = load_nghttp2()


def octets(data):
    return (ctypes.c_uint8 * max(len(data), 1)).from_buffer_copy(data or b"\0")


class NghttpEncoder:
    name = "nghttp2"

    def __init__(self):
        self.deflater = ctypes.c_void_p()
        assert NGHTTP2.nghttp2_hd_deflate_new(ctypes.byref(self.deflater), ctypes.c_size_t(65536)) == 0

    def set_table_size(self, size):
        assert NGHTTP2.nghttp2_hd_deflate_change_table_size(self.deflater, ctypes.c_size_t(size)) == 0

    def encode(self, fields, huffman):
        del huffman  # it chooses by itself
        kept = []
        nvs = (Nv * len(fields))()
        for nv, (name, value, secret) in zip(nvs, fields):
            kept += [octets(name), octets(value)]
            nv.name = ctypes.cast(kept[-2], ctypes.POINTER(ctypes.c_uint8))
            nv.value = ctypes.cast(kept[-1], ctypes.POINTER(ctypes.c_uint8))
            nv.namelen, nv.valuelen, nv.flags = len(name), len(value), int(secret)
        bound = NGHTTP2.nghttp2_hd_deflate_bound
        bound.restype = ctypes.c_size_t
        room = bound(self.deflater, nvs, ctypes.c_size_t(len(fields)))
        out = (ctypes.c_uint8 * room)()
        deflate = NGHTTP2.nghttp2_hd_deflate_hd
        deflate.restype = ctypes.c_ssize_t
        length = deflate(self.deflater, out, ctypes.c_size_t(room), nvs, ctypes.c_size_t(len(fields)))
        assert length >= 0, length
        return bytes(out[:length])


class NghttpDecoder:
    name = "nghttp2"

    def __init__(self):
        self.inflater = ctypes.c_void_p()
        assert NGHTTP2.nghttp2_hd_inflate_new(ctypes.byref(self.inflater)) == 0

    def set_table_size(self, size):
        assert NGHTTP2.nghttp2_hd_inflate_change_table_size(self.inflater, ctypes.c_size_t(size)) == 0

    def decode(self, block):
        inflate = NGHTTP2.nghttp2_hd_inflate_hd2
        inflate.restype = ctypes.c_ssize_t
        fields, rest = [], block
        while True:
            nv, flags = Nv(), ctypes.c_int(0)
            count = inflate(
                self.inflater, ctypes.byref(nv), ctypes.byref(flags), octets(rest), ctypes.c_size_t(len(rest)), 1
            )
            if count < 0:
                raise Refused(str(count))
            rest = rest[count:]
            if flags.value & 2:  # one field
                fields.append((ctypes.string_at(nv.name, nv.namelen), ctypes.string_at(nv.value, nv.valuelen)))
            if flags.value & 1:  # the end
                NGHTTP2.nghttp2_hd_inflate_end_headers(self.inflater)
                return fields
            if count == 0 and not flags.value & 2:
                raise Refused("cut")


def encoders():
    return [PythonEncoder] + ([NghttpEncoder] if NGHTTP2 else [])


def decoders():
    return [PythonDecoder] + ([NghttpDecoder] if NGHTTP2 else [])

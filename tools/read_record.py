#!/usr/bin/python3
"""Reads a record by docs/record-format.md alone, and prints its events as JSON, a line each. With the C library's reader
it shares nothing but that page. Needs python3-msgpack and python3-zstandard.

    read_record.py FILE            every event
    read_record.py --head FILE     the head hash and the number of events, after everything was checked
    read_record.py --manifest FILE what the run saw of its machine, an entry a line
"""
import hashlib
import json
import struct
import sys

import msgpack
import zstandard

MAGIC = b"\x89TREC\r\n\x1a"
PIECE = BLOCK = 1 << 20
KINDS = {
    1: ("run", "map"), 2: ("call", "nr", "arguments", "result", "more"), 3: ("data", "segments"),
    4: ("block", "nr", "arguments", "deadline"), 5: ("signal", "number", "code", "pid", "uid", "value"),
    6: ("born", "pid", "parent", "flags"), 7: ("exec", "pid", "program"), 8: ("died", "pid", "status", "last"),
    9: ("schedule", "slice"), 10: ("stream", "number", "bytes"), 11: ("open", "id", "name"),
    12: ("file", "id", "path", "size", "secret"), 13: ("piece", "file", "number", "size", "digest"),
    14: ("rule", "index", "line", "action", "text", "note"), 15: ("real", "what"), 16: ("jump", "from"), 18: ("ready", "number", "events"),
    19: ("forward", "number", "what", "value", "bytes"), 20: ("outside", "number"), 21: ("told", "what", "value"),
    22: ("mappings", "goes_on", "lines"),
    17: ("end", "verdict", "status", "wait_status"),
}
MANIFEST = ("", "policy", "request", "interpreter", "stream", "mount", "status", "names", "link", "piece", "archive", "host_link", "host_has", "file")
MORE = {0: "segments", 1: "rule", 2: "opens", 3: "began", 4: "flags"}


class Damaged(Exception):
    pass


def digest(*parts):
    h = hashlib.blake2b(digest_size=32)
    for part in parts:
        h.update(part)
    return h.digest()


def check(condition, what):
    if not condition:
        raise Damaged(what)


def inflate(stored, size):
    check(size <= BLOCK, "a chunk that is too long")
    check(zstandard.frame_content_size(stored) == size, "a zstd frame of another length")
    return zstandard.ZstdDecompressor().decompress(stored, max_output_size=size)


def chunks(file):
    """(type, payload, offset) of each; ends with (None, why, offset) when the file stops without a tail."""
    while True:
        offset = file.tell()
        header = file.read(8)
        if len(header) < 8:
            yield None, "stops between chunks" if not header else "stops in the middle of a chunk", offset
            return
        kind, size = header[:4], struct.unpack("<I", header[4:])[0]
        payload = file.read(size)
        if len(payload) < size:
            yield None, "stops in the middle of a chunk", offset
            return
        yield kind, payload, offset
        if kind == b"TAIL":
            check(not file.read(1), "something stands behind the tail")
            return


class Record:
    """Iterate over it: an event at a time, checked. Then `whole`, `why`, `head`, `events`, `signature` are known."""

    def __init__(self, file):
        self.file = file
        header = file.read(16)
        check(header[:8] == MAGIC, "not a record")
        check(struct.unpack("<H", header[8:10])[0] == 1, "another version of the format")
        self.head = digest(b"terrarium record 1")
        self.events, self.blocks, self.whole, self.why = 0, [], False, ""
        self.machine, self.signature, self.contents, self.manifest = None, None, {}, []
        self.index = None

    def block(self, payload, offset):
        first, count, size = struct.unpack("<QII", payload[:16])
        check(first == self.events and count > 0, "the events of a block do not follow those before")
        check(payload[16:48] == self.head, "the hash chain does not go on")
        self.blocks.append((offset, first))
        unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, unicode_errors="surrogateescape",
                                    max_buffer_size=BLOCK)
        raw = inflate(payload[80:], size)
        unpacker.feed(raw)
        events, at = [], 0
        for _ in range(count):
            events.append(unpacker.unpack())
            self.head = digest(self.head, raw[at:unpacker.tell()])
            at = unpacker.tell()
        check(at == size and payload[48:80] == self.head, "the hash chain does not fit the events of a block")
        return events

    def __iter__(self):
        for kind, payload, offset in chunks(self.file):
            if kind == b"EVTS":
                for event in self.block(payload, offset):
                    yield self.named(event)
                    self.events += 1
            elif kind == b"CONT":
                data = inflate(payload[40:], struct.unpack("<Q", payload[32:40])[0])
                check(digest(data) == payload[:32], "kept content that is not what its hash says")
                self.contents[payload[:32]] = len(data)
            elif kind == b"MANI":
                self.manifest.append(payload)
            elif kind == b"MACH":
                self.machine = payload
            elif kind == b"SIGN":
                self.signature = (payload[:32], payload[32:96])
            elif kind == b"INDX":
                self.index = offset
                check([e[:2] for e in struct.iter_unpack("<QQq", payload)] == self.blocks, "the index is of other blocks")
            elif kind == b"TAIL":
                at, events, head, here, magic = struct.unpack("<QQ32sQ8s", payload)
                check((at, events, head, here, magic) == (self.index, self.events, self.head, offset, MAGIC),
                      "the tail does not fit")
                self.whole = True
            elif kind is None:
                self.why = payload
            else:
                raise Damaged("a chunk of no known type")

    def signed(self):
        """The bytes that an Ed25519 signature is over."""
        machine = digest(self.machine) if self.machine is not None else bytes(32)
        manifest = digest(*self.manifest) if self.manifest else bytes(32)
        return b"terrarium record signature 2" + self.head + struct.pack("<Q", self.events) + machine + manifest

    def entries(self):
        """What the run saw of the host, each entry as it stands, its kind by name."""
        unpacker = msgpack.Unpacker(raw=True)
        for part in self.manifest:
            unpacker.feed(inflate(part[8:], struct.unpack("<Q", part[:8])[0]))
        for kind, *fields in unpacker:
            check(0 < kind < len(MANIFEST), "an entry of the manifest of no known kind")
            yield [MANIFEST[kind], *texts(fields)]

    def named(self, event):
        kind, *fields = KINDS[event[0]]
        named = {"index": self.events, "kind": kind, "time": event[1], "tid": event[2], **dict(zip(fields, event[3:]))}
        for key, value in named.pop("more", {}).items():
            named[MORE.get(key, key)] = value
        return named


def texts(value):
    """Paths and the policy are bytes there: as text, hashes (which are no UTF-8) as they are."""
    if isinstance(value, list):
        return [texts(v) for v in value]
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def plain(value):
    """Bytes as hexadecimal, so that any JSON reader can have them."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return value


def main(arguments):
    only_head, manifest = arguments[:1] == ["--head"], arguments[:1] == ["--manifest"]
    with open(arguments[-1], "rb") as file:
        try:
            record = Record(file)
            for event in record:
                if not only_head and not manifest:
                    print(json.dumps(plain(event), ensure_ascii=True))
            for entry in record.entries() if manifest else ():
                print(json.dumps(plain(entry), ensure_ascii=True))
        except (Damaged, ValueError, KeyError, struct.error, zstandard.ZstdError, msgpack.UnpackException) as error:
            print(f"read_record: damaged: {error}", file=sys.stderr)
            return 125
    if only_head:
        print(record.head.hex(), record.events)
    if not record.whole:
        print(f"read_record: the record {record.why}, behind {record.events} events", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

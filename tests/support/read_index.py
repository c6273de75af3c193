"""Reads a volstream archive's index by docs/format.md alone, and checks it against the archive.

usage: read_index.py ARCHIVE

Prints one line for each entry: offset in the tar, bytes of headers, bytes of data, kind, mode,
owner, group, size, time in nanoseconds, path and target as JSON. Fails, with a message, when the
index is not what the document says. Hashes are not checked: Python has no XXH3 of its own. Frames
are read by the zstd command.
"""

import json
import struct
import subprocess
import sys
import zlib


class Gzip:
    HEADER = bytes.fromhex("1f8b08040000000000ff")
    NOTHING = b"\x03" + bytes(9)
    FOOTER_BYTES = 114
    SIZE_OFFSET = 16

    @classmethod
    def pieces(cls, data, identifier):
        """What the empty members that `data` is carry, one after another."""
        while data:
            assert data[:10] == cls.HEADER, "not an empty member"
            extra, = struct.unpack_from("<H", data, 10)
            size, = struct.unpack_from("<H", data, 14)
            assert data[12:14] == identifier and extra == size + 4, "another subfield"
            assert data[16 + size:26 + size] == cls.NOTHING, "a member with data"
            yield data[16:16 + size]
            data = data[26 + size:]

    @staticmethod
    def inflate(member):
        assert member[12:16] == b"VS\x10\0", "a member without its sizes"
        return zlib.decompress(member, 31)


class Zstd:
    EMPTY = bytes.fromhex("28b52ffd2000010000")
    SKIPPABLE = bytes.fromhex("562a4d18")
    FOOTER_BYTES = 100
    SIZE_OFFSET = 21

    @classmethod
    def pieces(cls, data, identifier):
        """What the skippable frames that `data` is carry, one after another."""
        while data:
            assert data[:4] == cls.SKIPPABLE, "not a skippable frame"
            frame, = struct.unpack_from("<I", data, 4)
            size, = struct.unpack_from("<H", data, 10)
            assert data[8:10] == identifier and frame == size + 4, "another frame"
            yield data[12:12 + size]
            data = data[12 + size:]

    @classmethod
    def inflate(cls, member):
        assert member[:9] == cls.EMPTY, "a member without an empty frame"
        assert member[9:21] == cls.SKIPPABLE + b"\x14\0\0\0VS\x10\0", "a member without its sizes"
        data = subprocess.run(["zstd", "-dcq"], input=member, stdout=subprocess.PIPE, check=True)
        return data.stdout


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        assert self.at + count <= len(self.data), "cut off"
        self.at += count
        return self.data[self.at - count:self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def zigzag(self):
        value = self.varint()
        return value >> 1 if value % 2 == 0 else -(value >> 1) - 1

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def done(self):
        return self.at == len(self.data)


def raw_of(form, members):
    blob = b"".join(form.pieces(members, b"VI"))
    coding, size = struct.unpack_from("<BI", blob)
    raw = blob[5:] if coding == 0 else zlib.decompress(blob[5:], -15)
    assert len(raw) == size, "a blob of another size"
    return raw


def columns_of(raw, count):
    cursor = Cursor(raw)
    columns = [Cursor(cursor.take(cursor.varint())) for _ in range(count)]
    assert cursor.done(), "a page with more than its columns"
    return columns


def entries_of(page, count, tar_offset):
    (shared, suffix_bytes, suffixes, kinds, modes, uids, gids, headers, sizes, times, stored,
     odd_times, target_bytes, targets) = columns = columns_of(page, 14)
    path, time = b"", 0
    for _ in range(count):
        path = path[:shared.varint()] + suffixes.take(suffix_bytes.varint())
        kind = kinds.take(1)[0]
        type_ = chr(ord("0") + (kind & 7))
        size = sizes.varint() if type_ == "0" else 0
        header_bytes = 512 * headers.varint()
        data_bytes = stored.varint() if kind & 0x40 else size
        if kind & 0x20:
            when = odd_times.zigzag() * 10**9 + odd_times.varint()
        else:
            time = (time + times.zigzag() + 2**63) % 2**64 - 2**63
            when = time
        target = targets.take(target_bytes.varint()) if type_ in "12" else b""
        yield (tar_offset, header_bytes, data_bytes, type_ + ("s" if kind & 0x80 else ""),
               modes.varint(), uids.varint(), gids.varint(), size, when, path, target)
        tar_offset += header_bytes + (data_bytes + 511) // 512 * 512
    assert all(column.done() for column in columns), "a column that does not end with its entries"


def members_of(form, data):
    """What each member holds, by what it says of its sizes."""
    while data:
        size, held = struct.unpack_from("<II", data, form.SIZE_OFFSET)
        member = form.inflate(data[:size])
        assert len(member) == held, "a member that holds another number of bytes than it says"
        yield size, member
        data = data[size:]


def main():
    archive = open(sys.argv[1], "rb").read()
    form = Gzip if archive[:2] == b"\x1f\x8b" else Zstd
    footer, = form.pieces(archive[-form.FOOTER_BYTES:], b"VF")
    assert len(footer) == 88
    version, flags = struct.unpack_from("<II", footer)
    assert version == 1 and flags < 4, "another version"
    (index, index_bytes, directory, directory_bytes, tar_bytes, entry_count,
     member_count) = struct.unpack_from("<7Q", footer, 8)
    assert index + index_bytes == directory + directory_bytes == len(archive) - form.FOOTER_BYTES

    cursor = Cursor(raw_of(form, archive[directory:directory + directory_bytes]))
    entry_pages, member_pages = cursor.varint(), cursor.varint()
    # As the members say how long they are, not as the index does.
    found = list(members_of(form, archive[:index]))
    tar = b"".join(data for _, data in found)
    assert len(tar) == tar_bytes
    largest, fullest = struct.unpack_from("<II", footer, 64)
    assert largest == max(size for size, _ in found)
    assert fullest == max(len(data) for _, data in found)
    offset, tar_offset, path, entries = index, 0, b"", 0
    for _ in range(entry_pages):
        size, _, count = cursor.varint(), cursor.u64(), cursor.varint()
        tar_offset += cursor.varint()
        path = path[:cursor.varint()] + cursor.take(cursor.varint())
        first = path
        for entry in entries_of(raw_of(form, archive[offset:offset + size]), count, tar_offset):
            assert first is None or entry[9] == first, "another first path"
            first = None
            last_header = tar[entry[0] + entry[1] - 512:entry[0] + entry[1]]
            if flags & 1:
                assert last_header[257:262] == b"ustar", "no header where the index has one"
                assert chr(last_header[156]) == entry[3][0], "another type than the tar has"
            print(*entry[:9], *(json.dumps(text.decode("latin-1")) for text in entry[9:]))
        offset += size
        entries += count
    assert entries == entry_count

    member, members, held, seen = 0, 0, 0, 0
    for _ in range(member_pages):
        size, _, count = cursor.varint(), cursor.u64(), cursor.varint()
        archive_sum, tar_sum = cursor.varint(), cursor.varint()
        archive_sizes, tar_sizes = columns_of(raw_of(form, archive[offset:offset + size]), 2)
        for _ in range(count):
            member_bytes, member_tar = archive_sizes.varint(), tar_sizes.varint()
            found_bytes, data = found[seen]
            assert (found_bytes, len(data)) == (member_bytes, member_tar), "another member"
            seen += 1
            member += member_bytes
            held += member_tar
            archive_sum -= member_bytes
            tar_sum -= member_tar
        assert archive_sum == tar_sum == 0 and archive_sizes.done() and tar_sizes.done()
        offset += size
        members += count
    assert cursor.done() and offset == directory
    assert (members, member, held) == (member_count, index, tar_bytes)


main()

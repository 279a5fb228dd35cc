#!/usr/bin/python3
"""Reads a register of a running plant each time it changes, and writes the mean of the values to
another register.

    python3 mean.py /mbimage-default 1000 1001 10

reads ten values of holding register 1000 and writes their mean to holding register 1001.  This is
the image of the installed default plant: be a member of the group mbimage, or root.  Without a
plant file the image is /mbimage-UID-default; "mbshm info" prints its name.

It needs only the standard library; ctypes calls libmbshm.so.0, or the file named in the environment
variable MBSHM_LIBRARY.
"""
import ctypes as c
import errno
import os
import sys
import time

HOLDING_REGISTERS = 2
WRITE = 1
NAME_SIZE, SPANS_MAX, WHY_SIZE = 256, 256, 512
PATIENCE_S = 60


class Span(c.Structure):
    _fields_ = [("table", c.c_int), ("first", c.c_uint32), ("count", c.c_uint32)]


class Layout(c.Structure):
    _fields_ = [("span_count", c.c_uint), ("spans", Span * SPANS_MAX)]


class Config(c.Structure):
    _fields_ = [("name", c.c_char * NAME_SIZE), ("layout", Layout),
                ("pool_pages", c.c_uint32), ("mode", c.c_uint32),
                ("group", c.c_uint32), ("retain", c.c_char_p)]


try:
    lib = c.CDLL(os.environ.get("MBSHM_LIBRARY", "libmbshm.so.0"))
except OSError as error:
    sys.exit(str(error))
handle, registers, u64 = c.c_void_p, c.POINTER(c.c_uint16), c.POINTER(c.c_uint64)
lib.mbshm_open.argtypes = [c.POINTER(Config), c.c_int, c.POINTER(handle), c.c_char_p]
lib.mbshm_close.argtypes = [handle]
lib.mbshm_close.restype = None
lib.mbshm_read_registers.argtypes = [handle, c.c_int, c.c_uint16, c.c_uint16, registers, u64]
lib.mbshm_wait.argtypes = [handle, c.c_uint64, c.c_uint32, u64]
lib.mbshm_txn_new.argtypes = [c.c_uint]
lib.mbshm_txn_new.restype = handle
lib.mbshm_txn_free.argtypes = [handle]
lib.mbshm_txn_free.restype = None
lib.mbshm_txn_begin.argtypes = [handle, handle]
lib.mbshm_txn_begin.restype = None
lib.mbshm_txn_write_registers.argtypes = [handle, c.c_int, c.c_uint16, c.c_uint16, registers]
lib.mbshm_txn_commit.argtypes = [handle, c.c_uint32, u64]


def check(rc, why=b""):
    """The library's calls return 0 or -errno."""
    if rc < 0:
        raise OSError(-rc, why.decode() or os.strerror(-rc))


class Image:
    def __init__(self, name):
        try:
            group = os.stat("/dev/shm" + name).st_gid  # whatever group it has
        except FileNotFoundError:
            raise OSError(errno.ENOENT, "no such image")
        config = Config(name=name.encode(), group=group)
        self.handle, why = handle(), c.create_string_buffer(WHY_SIZE)
        check(lib.mbshm_open(config, WRITE, self.handle, why), why.value)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        lib.mbshm_close(self.handle)

    def read(self, address, count=1):
        """Registers, all of one version, and that version."""
        values, version = (c.c_uint16 * count)(), c.c_uint64()
        check(lib.mbshm_read_registers(self.handle, HOLDING_REGISTERS, address, count, values,
                                       version))
        return list(values), version.value

    def wait(self, version, timeout_ms):
        """Is there a later version within the time?"""
        rc = lib.mbshm_wait(self.handle, version, timeout_ms, None)
        if rc != -errno.ETIMEDOUT:
            check(rc)
        return rc == 0

    def write(self, address, values, timeout_us=100000):
        """Write all of them in one version, and return that."""
        txn, version = lib.mbshm_txn_new(len(values) // 4 + 2), c.c_uint64()
        try:
            lib.mbshm_txn_begin(txn, self.handle)
            check(lib.mbshm_txn_write_registers(txn, HOLDING_REGISTERS, address, len(values),
                                                (c.c_uint16 * len(values))(*values)))
            check(lib.mbshm_txn_commit(txn, timeout_us, version))
        finally:
            lib.mbshm_txn_free(txn)
        return version.value


def changed(image, address, before):
    """The next value that differs, and its version.  Any publish wakes, so compare values."""
    end = time.monotonic() + PATIENCE_S
    (value,), version = image.read(address)
    while value == before:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError(errno.ETIMEDOUT, f"holding {address} does not change")
        image.wait(version, int(left * 1000) + 1)
        (value,), version = image.read(address)
    return value, version


def main(name, source, target, count):
    with Image(name) as image:
        seen = []
        while len(seen) < count:
            value, version = changed(image, source, seen[-1] if seen else None)
            print(version, value, flush=True)
            seen.append(value)
        mean = round(sum(seen) / len(seen))
        print("mean", mean, "published in version", image.write(target, [mean]), flush=True)


def number(word, least=0):
    """A number as an argument.  ctypes would cut a larger one to 16 bits."""
    if not word.isdecimal() or not least <= int(word) <= 65535:
        sys.exit(f"{word}: expected a number {least}..65535")
    return int(word)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    if not sys.argv[1].startswith("/"):
        sys.exit(f'{sys.argv[1]}: expected "/NAME"')
    try:
        main(sys.argv[1], number(sys.argv[2]), number(sys.argv[3]), number(sys.argv[4], 1))
    except (OSError, ValueError) as error:
        sys.exit(f"{sys.argv[1]}: {getattr(error, 'strerror', None) or error}")

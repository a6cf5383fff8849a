"""A storage plugin for pys3local in Python: one file for each object, in a granted directory.

The bytes of an object never enter this program: `put` passes its body on to the file unread,
and `get` answers with the file's own stream, so the host moves them at its own speed.
"""

from typing import List, Optional, Tuple

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import setup, store
from wit_world.imports import log, preopens, system_clock
from wit_world.imports import pys3local_storage_types as types
from wit_world.imports import wasi_filesystem_types as fs

BUCKETS = "buckets"
DRAFTS = "drafts"  # What is not published lies apart, so that no listing sees it.
READ = fs.DescriptorFlags.READ
ANY = fs.PathFlags(0)

root: Optional[fs.Descriptor] = None
instance = ""
durable = True
serial = 0


def name_of(key: str) -> str:
    """The file of a key: the hexadecimal digits of its bytes, so any key will do, in pieces
    that a file system can hold. Sorted names are sorted keys."""
    digits = key.encode().hex()
    return "/".join(digits[i : i + 200] for i in range(0, len(digits), 200)) + ".o"


def key_of(name: str) -> Optional[str]:
    try:
        return bytes.fromhex(name.removesuffix(".o").replace("/", "")).decode()
    except ValueError:
        return None  # Somebody else's file.


def fault(error: Err, missing: types.Error) -> Err:
    """The file system's error in the words of the plugin interface."""
    match error.value:
        case fs.ErrorCode_NoEntry() | fs.ErrorCode_NotDirectory():
            return Err(missing)
        case fs.ErrorCode_Access() | fs.ErrorCode_NotPermitted() | fs.ErrorCode_ReadOnly():
            return Err(types.Error_Denied("permission denied"))
        case fs.ErrorCode_InsufficientSpace():
            return Err(types.Error_NoSpace())
        case fs.ErrorCode_Quota():
            return Err(types.Error_Quota())
        case other:
            return Err(types.Error_Other(repr(other)))


def no_key(error: Err) -> Err:
    return fault(error, types.Error_NoSuchKey())


def no_bucket(error: Err) -> Err:
    return fault(error, types.Error_NoSuchBucket())


def modified_at(stat: fs.DescriptorStat) -> int:
    time = stat.data_modification_timestamp
    return time.seconds * 1_000_000_000 + time.nanoseconds if time else 0


def info(stat: fs.DescriptorStat) -> types.ObjectInfo:
    modified = modified_at(stat)
    # `put` sees to it that a new file has another time than the one that it replaces.
    state = types.ObjectRef(id="", version=f"{stat.size}-{modified}")
    return types.ObjectInfo(state, stat.size, modified, None, None, None)


async def bucket_dir(bucket: str) -> str:
    """The directory of a bucket that is there; the bucket "" is the only one in default mode."""
    path = f"{BUCKETS}/{bucket}".rstrip("/")
    try:
        await root.stat_at(ANY, path)
    except Err as error:
        raise no_bucket(error)
    return path


async def make_dirs(path: str) -> None:
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        try:
            await root.create_directory_at("/".join(parts[:depth]))
        except Err as error:
            if not isinstance(error.value, fs.ErrorCode_Exist):
                raise no_bucket(error)


async def sync_dir(path: str) -> None:
    with await root.open_at(ANY, path, fs.OpenFlags.DIRECTORY, READ) as directory:
        await directory.sync()


async def make_newer(file: fs.Descriptor, path: str) -> None:
    """File systems count time in ticks: two files of one tick would look like one state."""
    try:
        old = modified_at(await root.stat_at(ANY, path))
    except Err:
        return  # There is none.
    if old >= modified_at(await file.stat()):
        seconds, nanoseconds = divmod(old + 1, 1_000_000_000)
        time = fs.NewTimestamp_Timestamp(system_clock.Instant(seconds, nanoseconds))
        await file.set_times(fs.NewTimestamp_NoChange(), time)


async def entries(path: str) -> List[fs.DirectoryEntry]:
    with await root.open_at(ANY, path, fs.OpenFlags.DIRECTORY, READ) as directory:
        names, done = directory.read_directory()
        found: List[fs.DirectoryEntry] = []
        with names:
            while not names.writer_dropped:
                found.extend(await names.read(256))
        failed = await done.read()
        if isinstance(failed, Err):
            raise failed
        return found


async def walk(base: str, below: str = "") -> List[Tuple[str, bool]]:
    """Files and directories (True) below `base`, what is in a directory after it."""
    found: List[Tuple[str, bool]] = []
    for entry in await entries(f"{base}/{below}".rstrip("/")):
        path = f"{below}{entry.name}"
        is_dir = isinstance(entry.type, fs.DescriptorType_Directory)
        found.append((path, is_dir))
        if is_dir:
            found.extend(await walk(base, path + "/"))
    return found


class Setup(exports.Setup):
    def describe(self) -> setup.Description:
        return setup.Description(
            name="python",
            version="0.1.0",
            summary="One file for each object, written in Python",
            settings=[],
            hosts=[],
            dirs=[],
        )

    async def choices(self, setting: str, settings: List[Tuple[str, str]]) -> List[setup.Choice]:
        return []

    async def configure(
        self, settings: List[Tuple[str, str]], context: setup.Context
    ) -> setup.Configured:
        global root, instance, durable
        granted = {path: directory for directory, path in preopens.get_directories()}
        if "/" not in granted:
            raise Err(types.Error_Denied('grant a directory: dirs = [{ guest = "/", … }]'))
        root, instance, durable = granted["/"], context.instance, context.durable
        for name in (BUCKETS, DRAFTS):
            await make_dirs(name + "/")
        log.write(log.Level.DEBUG, "ready")
        return setup.Configured(
            namespace=None,  # The granted directory is the namespace.
            label=None,
            capabilities=setup.Capabilities(
                trust=setup.RowTrust.CHECK, stateless=True, portable_bytes=0, max_put=None
            ),
        )


class Store(exports.Store):
    async def list_buckets(self) -> List[types.BucketInfo]:
        try:
            return [types.BucketInfo(entry.name, 0) for entry in await entries(BUCKETS)]
        except Err as error:
            raise no_bucket(error)

    async def create_bucket(self, bucket: str) -> None:
        try:
            await root.create_directory_at(f"{BUCKETS}/{bucket}")
        except Err as error:
            if isinstance(error.value, fs.ErrorCode_Exist):
                raise Err(types.Error_AlreadyExists())
            raise no_bucket(error)

    async def stat_bucket(self, bucket: str) -> types.BucketInfo:
        await bucket_dir(bucket)
        return types.BucketInfo(bucket, 0)

    async def delete_bucket(self, bucket: str) -> None:
        base = await bucket_dir(bucket)
        try:
            found = await walk(base)
            if any(not is_dir for _, is_dir in found):
                raise Err(types.Error_NotEmpty())
            for path, _ in reversed(found):
                await root.remove_directory_at(f"{base}/{path}")
            await root.remove_directory_at(base)
        except Err as error:
            raise error if isinstance(error.value, types.Error_NotEmpty) else no_bucket(error)

    async def put(self, bucket, key, size, options, body, verdict) -> types.ObjectInfo:
        global serial
        base = await bucket_dir(bucket)
        serial += 1
        draft = f"{DRAFTS}/{instance}-{serial:x}"
        flags = fs.OpenFlags.CREATE | fs.OpenFlags.EXCLUSIVE
        try:
            with await root.open_at(ANY, draft, flags, fs.DescriptorFlags.WRITE) as file:
                # Passed on unread: the host writes it. The verdict comes after the body.
                written = await file.write_via_stream(body, 0).read()
                approved = await verdict.read()
                if isinstance(approved, Err):
                    raise approved
                if isinstance(written, Err):
                    raise no_key(written)
                path = f"{base}/{name_of(key)}"
                await make_newer(file, path)
                if durable:
                    await file.sync()
            await make_dirs(path)
            await root.rename_at(draft, root, path)
            if durable:
                await sync_dir(path.rpartition("/")[0])
            return info(await root.stat_at(ANY, path))
        except Err as error:
            try:
                await root.unlink_file_at(draft)
            except Err:
                pass  # It was not made, or is published.
            raise error if isinstance(error.value, types.Error) else no_key(error)

    async def get(self, bucket, key, range, known) -> store.ObjectBody:
        path = f"{await bucket_dir(bucket)}/{name_of(key)}"
        try:
            with await root.open_at(ANY, path, fs.OpenFlags(0), READ) as file:
                found = info(await file.stat())
                if range and range.offset >= found.size:
                    raise Err(types.Error_InvalidRange())
                # The host stops where the range ends.
                body, _ = file.read_via_stream(range.offset if range else 0)
                return store.ObjectBody(found, body)
        except Err as error:
            raise error if isinstance(error.value, types.Error_InvalidRange) else no_key(error)

    async def stat(self, bucket, key, known) -> types.ObjectInfo:
        path = f"{await bucket_dir(bucket)}/{name_of(key)}"
        try:
            return info(await root.stat_at(ANY, path))
        except Err as error:
            raise no_key(error)

    async def delete(self, bucket, key, known) -> None:
        path = f"{await bucket_dir(bucket)}/{name_of(key)}"
        try:
            await root.unlink_file_at(path)
        except Err as error:
            if not isinstance(error.value, fs.ErrorCode_NoEntry | fs.ErrorCode_NotDirectory):
                raise no_key(error)

    async def list(self, bucket: str, query: store.ListQuery) -> store.Page:
        base = await bucket_dir(bucket)
        try:
            found = await walk(base)
        except Err as error:
            raise no_bucket(error)
        keys = [key for name, is_dir in found if not is_dir and (key := key_of(name))]
        page = store.Page([], [], False)
        for key in sorted(keys, key=str.encode):
            if not key.startswith(query.prefix):
                continue
            slash = key.find("/", len(query.prefix)) if query.shallow else -1
            item = key if slash < 0 else key[: slash + 1]
            # A prefix is behind `after` while one of its keys is, unless it was named itself.
            if query.after is not None:
                if key.encode() <= query.after.encode() or item == query.after:
                    continue
            if page.prefixes[-1:] == [item]:
                continue
            if len(page.entries) + len(page.prefixes) >= query.limit:
                page.more = True
                break
            if slash >= 0:
                page.prefixes.append(item)
                continue
            try:
                stat = await root.stat_at(ANY, f"{base}/{name_of(key)}")
            except Err:
                continue  # Deleted since we looked.
            page.entries.append(types.Entry(key, info(stat)))
        return page

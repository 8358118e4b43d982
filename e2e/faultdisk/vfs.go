package faultdisk

import (
	"fmt"
	"path/filepath"
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"
)

// The functions of SQLite's file interface. The engine is C translated to Go,
// and its function pointers are pointers to Go functions.
type (
	openFunc     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	deleteFunc   = func(tls *libc.TLS, vfs, name uintptr, syncDir int32) int32
	closeFunc    = func(tls *libc.TLS, file uintptr) int32
	writeFunc    = func(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32
	syncFunc     = func(tls *libc.TLS, file uintptr, flags int32) int32
)

// vfs is what is registered with the engine, and what it stands before.
var vfs struct {
	real    uintptr // the engine's own file interface
	ours    uintptr
	methods sync.Map // the methods of a file, to the copy of them with ours put in

	mu    sync.Mutex
	disks []*Disk
	files map[uintptr]*openFile // by the engine's handle
}

// openFile is a file in a watched directory that the engine has open.
type openFile struct {
	disk    *Disk
	name    string
	methods *lib.Tsqlite3_io_methods // the real ones
}

// install registers the file interface as the one that every connection of
// this process uses. Files that nobody watches are opened as they would be
// without it.
var install = sync.OnceValue(func() error {
	// The first connection sets the engine up.
	conn, err := sqlite.OpenConn(":memory:")
	if err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	tls := libc.NewTLS() // lives as long as the process
	vfs.files = map[uintptr]*openFile{}
	vfs.real = lib.Xsqlite3_vfs_find(tls, 0)
	if vfs.real == 0 {
		return fmt.Errorf("the engine has no file interface")
	}
	name, err := libc.CString("faultdisk")
	if err != nil {
		return err
	}
	vfs.ours = libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_vfs{})))
	ours := at[lib.Tsqlite3_vfs](vfs.ours)
	*ours = *at[lib.Tsqlite3_vfs](vfs.real)
	ours.FpNext, ours.FzName = 0, name
	ours.FxOpen, ours.FxDelete = pointer(openFunc(vfsOpen)), pointer(deleteFunc(vfsDelete))
	if code := lib.Xsqlite3_vfs_register(tls, vfs.ours, 1); code != lib.SQLITE_OK {
		return fmt.Errorf("register a file interface: code %d", code)
	}
	return nil
})

// at returns what lies at an address of the engine's memory, which the garbage
// collector neither moves nor frees.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// pointer returns the engine's pointer to a function.
func pointer[F any](function F) uintptr { return *(*uintptr)(unsafe.Pointer(&function)) }

// function returns the function that the engine's pointer leads to.
func function[F any](pointer uintptr) F { return *(*F)(unsafe.Pointer(&pointer)) }

func vfsOpen(tls *libc.TLS, _, name, file uintptr, flags int32, outFlags uintptr) int32 {
	real := at[lib.Tsqlite3_vfs](vfs.real)
	code := function[openFunc](real.FxOpen)(tls, vfs.real, name, file, flags, outFlags)
	if code != lib.SQLITE_OK || name == 0 {
		return code
	}
	path := libc.GoString(name)
	disk := diskOf(path)
	if disk == nil {
		return code
	}
	handle := at[lib.Tsqlite3_file](file)
	opened := &openFile{disk: disk, name: filepath.Base(path), methods: at[lib.Tsqlite3_io_methods](handle.FpMethods)}
	if err := disk.opened(opened.name, path); err != nil {
		_ = function[closeFunc](opened.methods.FxClose)(tls, file) // the open has failed already
		handle.FpMethods = 0
		return lib.SQLITE_CANTOPEN
	}
	vfs.mu.Lock()
	vfs.files[file] = opened
	vfs.mu.Unlock()
	handle.FpMethods = ourMethods(tls, handle.FpMethods)
	return code
}

// ourMethods returns the copy of a file's methods in which ours are put.
func ourMethods(tls *libc.TLS, real uintptr) uintptr {
	if ours, ok := vfs.methods.Load(real); ok {
		return ours.(uintptr)
	}
	address := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_io_methods{})))
	methods := at[lib.Tsqlite3_io_methods](address)
	*methods = *at[lib.Tsqlite3_io_methods](real)
	methods.FxClose = pointer(closeFunc(fileClose))
	methods.FxWrite = pointer(writeFunc(fileWrite))
	methods.FxTruncate = pointer(truncateFunc(fileTruncate))
	methods.FxSync = pointer(syncFunc(fileSync))
	ours, _ := vfs.methods.LoadOrStore(real, address)
	return ours.(uintptr)
}

func diskOf(path string) *Disk {
	vfs.mu.Lock()
	defer vfs.mu.Unlock()
	for _, disk := range vfs.disks {
		if filepath.Dir(path) == disk.dir {
			return disk
		}
	}
	return nil
}

func fileOf(handle uintptr) *openFile {
	vfs.mu.Lock()
	defer vfs.mu.Unlock()
	return vfs.files[handle]
}

func vfsDelete(tls *libc.TLS, _, name uintptr, syncDir int32) int32 {
	path := libc.GoString(name)
	if disk := diskOf(path); disk != nil {
		if code := disk.before(Operation{Kind: Delete, File: filepath.Base(path)}); code != OK {
			return int32(code)
		}
	}
	return function[deleteFunc](at[lib.Tsqlite3_vfs](vfs.real).FxDelete)(tls, vfs.real, name, syncDir)
}

func fileClose(tls *libc.TLS, handle uintptr) int32 {
	file := fileOf(handle)
	vfs.mu.Lock()
	delete(vfs.files, handle)
	vfs.mu.Unlock()
	return function[closeFunc](file.methods.FxClose)(tls, handle)
}

func fileWrite(tls *libc.TLS, handle, data uintptr, size int32, offset int64) int32 {
	file := fileOf(handle)
	bytes := unsafe.Slice(at[byte](data), size)
	if code := file.disk.before(Operation{Kind: Write, File: file.name, Offset: offset, Data: bytes}); code != OK {
		return int32(code)
	}
	return function[writeFunc](file.methods.FxWrite)(tls, handle, data, size, offset)
}

func fileTruncate(tls *libc.TLS, handle uintptr, size int64) int32 {
	file := fileOf(handle)
	if code := file.disk.before(Operation{Kind: Truncate, File: file.name, Offset: size}); code != OK {
		return int32(code)
	}
	return function[truncateFunc](file.methods.FxTruncate)(tls, handle, size)
}

// fileSync does not sync the real file: what would survive is the disk's own
// book-keeping, and without real syncs a test can have thousands of cycles.
func fileSync(tls *libc.TLS, handle uintptr, flags int32) int32 {
	file := fileOf(handle)
	code := file.disk.before(Operation{Kind: Sync, File: file.name})
	if code == OK && file.disk.real {
		return function[syncFunc](file.methods.FxSync)(tls, handle, flags)
	}
	return int32(code)
}

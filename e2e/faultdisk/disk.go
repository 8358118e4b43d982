package faultdisk

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	lib "modernc.org/sqlite/lib"
)

// Kind is what an operation does to a file.
type Kind string

// The kinds of operations.
const (
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"
	Delete   Kind = "delete"
)

// Operation is about to change a file.
type Operation struct {
	Number int // from 1
	Kind   Kind
	File   string // its base name

	Offset int64  // of a write; the new length of a truncate
	Data   []byte // of a write; it is the engine's, and only there during the call
}

// Code is what becomes of an operation.
type Code int32

// The codes, as the engine knows them.
const (
	OK         Code = lib.SQLITE_OK
	Full       Code = lib.SQLITE_FULL
	WriteError Code = lib.SQLITE_IOERR_WRITE
	SyncError  Code = lib.SQLITE_IOERR_FSYNC
	Dead       Code = lib.SQLITE_IOERR

	// Cut is the moment at which the power goes: the operation and all later
	// ones do not happen.
	Cut Code = -1

	// Lie lets a sync succeed that did nothing.
	Lie Code = -2
)

// Disk watches the files of one directory.
type Disk struct {
	dir  string
	real bool
	plan func(Operation) Code

	mu     sync.Mutex
	number int
	off    bool
	files  map[string]*shadow
}

// shadow is what the disk knows of a file: its durable content and what has
// been done to it since the last sync.
type shadow struct {
	durable []byte
	pending []change
}

type change struct {
	offset   int64
	data     []byte
	truncate bool
}

// Watch lets plan decide about every operation that changes a file of the
// directory, until the returned function is called. Plan may be called by many
// goroutines, one after the other.
func Watch(dir string, plan func(Operation) Code) (*Disk, error) {
	return watch(&Disk{dir: dir, plan: plan, files: map[string]*shadow{}})
}

// WatchReal is Watch with syncs that reach the real disk, and without the
// book-keeping that [Disk.Survivors] needs.
func WatchReal(dir string, plan func(Operation) Code) (*Disk, error) {
	return watch(&Disk{dir: dir, plan: plan, real: true})
}

func watch(disk *Disk) (*Disk, error) {
	if err := install(); err != nil {
		return nil, err
	}
	var err error
	if disk.dir, err = filepath.Abs(disk.dir); err != nil {
		return nil, err
	}
	vfs.mu.Lock()
	defer vfs.mu.Unlock()
	vfs.disks = append(vfs.disks, disk)
	return disk, nil
}

// Release stops watching. No file of the directory may be open.
func (d *Disk) Release() {
	vfs.mu.Lock()
	defer vfs.mu.Unlock()
	vfs.disks = slices.DeleteFunc(vfs.disks, func(other *Disk) bool { return other == d })
}

// Operations is how many operations there have been.
func (d *Disk) Operations() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.number
}

// Restart lets a process come back that has ended, while the machine went on:
// what was not synced is still to be read, and still not durable. The new
// process finds its files in another directory, because in truth the old one
// is this process and may have them open for ever.
func (d *Disk) Restart(to string, plan func(Operation) Code) (*Disk, error) {
	d.Cut()
	if err := os.MkdirAll(to, 0o700); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.files {
		content, err := os.ReadFile(filepath.Join(d.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(to, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	return watch(&Disk{dir: to, plan: plan, files: d.files})
}

// Cut cuts the power now.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
}

// Off reports whether the power has gone.
func (d *Disk) Off() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

// opened notes the content of a file that the disk has not met: it counts as
// durable.
func (d *Disk) opened(name, path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.real || d.files[name] != nil {
		return nil
	}
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d.files[name] = &shadow{durable: content}
	return nil
}

// before decides about an operation and keeps the books.
func (d *Disk) before(op Operation) Code {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return Dead
	}
	d.number++
	op.Number = d.number
	code := d.plan(op)
	switch code {
	case OK:
		d.note(op)
	case Cut:
		d.off = true
		return Dead
	case Lie:
		return OK
	case SyncError:
		d.lose(op)
	}
	return code
}

// lose is what a failed sync does, as Linux has it: some pages were written, and
// those that could not be count as clean from then on. They are read as they
// should be, and no later sync writes them.
func (d *Disk) lose(op Operation) {
	file := d.files[op.File]
	if d.real || file == nil {
		return
	}
	random := rand.New(rand.NewPCG(uint64(op.Number), 0))
	for _, c := range file.pending {
		file.durable = c.applySome(file.durable, random)
	}
	file.pending = nil
}

func (d *Disk) note(op Operation) {
	if d.real {
		return
	}
	file := d.files[op.File]
	if file == nil {
		file = &shadow{}
		d.files[op.File] = file
	}
	switch op.Kind {
	case Write:
		file.pending = append(file.pending, change{offset: op.Offset, data: slices.Clone(op.Data)})
	case Truncate:
		file.pending = append(file.pending, change{offset: op.Offset, truncate: true})
	case Sync:
		for _, c := range file.pending {
			file.durable = c.apply(file.durable)
		}
		file.pending = nil
	case Delete:
		delete(d.files, op.File)
	}
}

func (c change) apply(content []byte) []byte {
	end := c.offset + int64(len(c.data))
	if short := end - int64(len(content)); short > 0 {
		content = append(content, make([]byte, short)...)
	}
	if c.truncate {
		return content[:c.offset]
	}
	copy(content[c.offset:], c.data)
	return content
}

// Keeps says how much of what was not synced survives a power cut.
type Keeps string

// The ways in which a disk loses its power.
const (
	KeepsNothing Keeps = "nothing" // all that was not synced is gone
	KeepsFirst   Keeps = "first"   // what was written first is there
	KeepsAny     Keeps = "any"     // any part of it is there, in sectors
)

// sectorBytes is what a disk writes whole or not at all.
const sectorBytes = 512

// Survivors writes what a disk could have kept to another directory.
func (d *Disk) Survivors(to string, keeps Keeps, random *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	// In the order of their names, so that a seed gives the same again.
	names := make([]string, 0, len(d.files))
	for name := range d.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		content := d.files[name].survivors(keeps, random)
		if err := os.WriteFile(filepath.Join(to, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (s *shadow) survivors(keeps Keeps, random *rand.Rand) []byte {
	content := slices.Clone(s.durable)
	switch keeps {
	case KeepsFirst:
		for _, c := range s.pending[:random.IntN(len(s.pending)+1)] {
			content = c.apply(content)
		}
	case KeepsAny:
		for _, c := range s.pending {
			content = c.applySome(content, random)
		}
	}
	return content
}

// applySome applies all of a change, none of it, or some of its sectors.
func (c change) applySome(content []byte, random *rand.Rand) []byte {
	switch random.IntN(3) {
	case 0:
		return content
	case 1:
		return c.apply(content)
	}
	if c.truncate {
		return c.apply(content)
	}
	for from := 0; from < len(c.data); {
		// Sectors are those of the disk, not of the write.
		upTo := min(len(c.data), from+sectorBytes-int(c.offset+int64(from))%sectorBytes)
		if random.IntN(2) == 0 {
			content = change{offset: c.offset + int64(from), data: c.data[from:upTo]}.apply(content)
		}
		from = upTo
	}
	return content
}

package faultdisk

import (
	"fmt"
	"os"
	"path/filepath"
)

// File is a file of a watched directory that is used without the engine.
type File struct {
	*os.File
	disk *Disk
	name string
}

// Open opens a file for reading and writing. Its directory must be watched for
// its operations to be seen.
func Open(path string) (*File, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	opened := &File{File: file, disk: diskOf(path), name: filepath.Base(path)}
	if opened.disk == nil {
		return opened, nil
	}
	return opened, opened.disk.opened(opened.name, path)
}

// WriteAt is one operation of the disk.
func (f *File) WriteAt(data []byte, offset int64) (int, error) {
	if err := f.before(Operation{Kind: Write, File: f.name, Offset: offset, Data: data}); err != nil {
		return 0, err
	}
	return f.File.WriteAt(data, offset)
}

// Sync is one operation of the disk. It reaches the real one as little as a
// sync of the engine does, see fileSync.
func (f *File) Sync() error { return f.before(Operation{Kind: Sync, File: f.name}) }

func (f *File) before(op Operation) error {
	if f.disk == nil {
		return nil
	}
	if code := f.disk.before(op); code != OK {
		return fmt.Errorf("%s %s: the disk answered with code %d", op.Kind, op.File, code)
	}
	return nil
}

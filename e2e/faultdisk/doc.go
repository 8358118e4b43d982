// Package faultdisk stands between SQLite and its files, in this process, so
// that tests can let the disk fail at any operation and lose what was not
// synced.
//
// A [Disk] watches one directory. Before each operation that changes a file it
// asks the test what shall become of it: it may happen, fail with a code, or
// be the moment at which the power goes. After a power cut [Disk.Survivors]
// writes what a real disk could have kept to another directory: all that was
// synced, and of the rest nothing, or the first part, or any part, down to
// single sectors.
//
// What it does not model: names of files are durable at once, and the shared
// memory beside the log is no file to it. The real file systems of package
// power cover these.
package faultdisk

package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// NeedRoot fails a test that must mount file systems and may not. It does not
// skip: a test of power cuts that did not run has shown nothing.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts file systems and cuts their power: run it as root, in a container or a virtual machine")
	}
}

// Disk is a file system of its own that can lose its power.
type Disk struct {
	Dir string // where it is mounted

	image   string
	mounted bool
	byPage  bool // see WriteByPage
}

// pageBytes is what a file system in memory has room for or has not.
const pageBytes = 4096

// NewDisk makes an ext4 file system of so many MiB in a file and mounts it.
// The file lies in the directory below, where the test wants its bytes to end.
func NewDisk(t testing.TB, below string, megabytes int64) *Disk {
	t.Helper()
	NeedRoot(t)
	d := &Disk{Dir: filepath.Join(t.TempDir(), "disk"), image: filepath.Join(below, "disk.ext4")}
	if err := os.Mkdir(d.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(d.image)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(megabytes << 20); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	// Blocks as large as a page, see WriteByPage.
	command(t, "mkfs.ext4", "-q", "-F", "-b", strconv.Itoa(pageBytes), d.image)
	d.Mount(t)
	t.Cleanup(func() {
		if d.mounted {
			// Lazily, so that a process that hangs does not keep it.
			if err := unix.Unmount(d.Dir, unix.MNT_DETACH); err != nil {
				t.Error("unmount:", err)
			}
		}
	})
	return d
}

// Mount mounts the disk, which replays its journal as a start of the machine
// does.
func (d *Disk) Mount(t testing.TB) {
	t.Helper()
	command(t, "mount", "-o", "loop", d.image, d.Dir)
	d.mounted = true
	if d.byPage {
		d.WriteByPage(t)
	}
}

// WriteByPage makes the disk fail honestly where the file below has no more
// room. Linux's loop device takes a write to its file that came to an end early
// for one that succeeded, and a file system in memory lets a write of many
// pages end early when only some of them fit. A disk whose writes have one page
// each has none that are cut short.
func (d *Disk) WriteByPage(t testing.TB) {
	t.Helper()
	d.byPage = true
	device, err := exec.Command("losetup", "--noheadings", "--output", "NAME", "--associated", d.image).Output()
	if err != nil {
		t.Fatal("find the loop device:", err)
	}
	limit := filepath.Join("/sys/block", filepath.Base(strings.TrimSpace(string(device))), "queue/max_sectors_kb")
	if err := os.WriteFile(limit, []byte(strconv.Itoa(pageBytes>>10)), 0); err != nil {
		t.Fatal("limit the writes of the loop device:", err)
	}
}

// Unmount unmounts the disk. Nothing may use it any more; the kernel closes the
// files of a process that was killed a moment after its end can be seen.
func (d *Disk) Unmount(t testing.TB) {
	t.Helper()
	err := unix.Unmount(d.Dir, 0)
	for until := time.Now().Add(30 * time.Second); err == unix.EBUSY && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
		err = unix.Unmount(d.Dir, 0)
	}
	if err != nil {
		t.Fatal("unmount:", err)
	}
	d.mounted = false
}

// Remount changes the options of the mounted disk, such as "abort".
func (d *Disk) Remount(t testing.TB, options string) {
	t.Helper()
	command(t, "mount", "-o", "remount,"+options, d.Dir)
}

// shutdownIoctl is EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32).
const shutdownIoctl = 2<<30 | 4<<16 | 'X'<<8 | 125

// shutdownNoFlush stops the file system where it stands: neither the journal
// nor any page that waits in memory reaches the disk any more.
const shutdownNoFlush = 2

// CutPower drops everything that was not synced and brings the disk back. Who
// wrote to it must have been killed before: a sync that is under way while the
// power goes may answer that it succeeded.
func (d *Disk) CutPower(t testing.TB) {
	t.Helper()
	dir, err := os.Open(d.Dir)
	if err != nil {
		t.Fatal(err)
	}
	err = unix.IoctlSetPointerInt(int(dir.Fd()), shutdownIoctl, shutdownNoFlush)
	if closeErr := dir.Close(); err != nil || closeErr != nil {
		t.Fatalf("cut the power: %v, %v", err, closeErr)
	}
	d.Unmount(t)
	d.Mount(t)
}

// Check unmounts the disk and checks the file system itself.
func (d *Disk) Check(t testing.TB) {
	t.Helper()
	d.Unmount(t)
	command(t, "e2fsck", "-fn", d.image)
}

// Repair repairs the file system of an unmounted disk, as an operator does after
// the kernel gave it up.
func (d *Disk) Repair(t testing.TB) {
	t.Helper()
	output, err := exec.Command("e2fsck", "-fy", d.image).CombinedOutput()
	var exit *exec.ExitError
	// 1 says that errors were corrected.
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("e2fsck: %v\n%s", err, output)
	}
}

// Tmpfs mounts a file system in memory of so many MiB and returns where.
func Tmpfs(t testing.TB, megabytes int64) string {
	t.Helper()
	NeedRoot(t)
	dir := filepath.Join(t.TempDir(), "tmpfs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Fatal("mount a tmpfs:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error("unmount:", err)
		}
	})
	return dir
}

// Resize changes the size of a file system that [Tmpfs] mounted.
func Resize(t testing.TB, dir string, megabytes int64) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Fatal("resize a tmpfs:", err)
	}
}

func command(t testing.TB, name string, arguments ...string) {
	t.Helper()
	if output, err := exec.Command(name, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, arguments, err, output)
	}
}

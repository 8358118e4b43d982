package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// machine is where the figures come from. Figures without it mean nothing.
type machine struct {
	processor  string
	cores      int
	memory     int64 // bytes
	kernel     string
	fileSystem string
	sync       time.Duration // median of one small write and its sync
	golang     string
	program    string
}

func describeMachine(dir, program string) machine {
	m := machine{
		processor:  "unknown processor",
		cores:      runtime.NumCPU(),
		kernel:     "unknown kernel",
		fileSystem: fileSystem(dir),
		golang:     runtime.Version(),
		program:    program,
	}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, after, found := bytes.Cut(info, []byte("model name")); found {
			line, _, _ := bytes.Cut(after, []byte("\n"))
			m.processor = strings.TrimSpace(strings.TrimLeft(string(line), " \t:"))
		}
	}
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.memory = kibField(append([]byte("\n"), info...), "MemTotal:") << 10
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.kernel = strings.TrimSpace(string(release))
	}
	m.sync, _ = syncTime(dir) // 0 says that it is not known
	return m
}

var fileSystems = map[int64]string{
	0xEF53:     "ext4",
	0x58465342: "xfs",
	0x9123683E: "btrfs",
	0x01021994: "tmpfs, which is memory: nothing is durable",
	0x794C7630: "overlayfs",
	0x2FC12FC1: "zfs",
}

func fileSystem(dir string) string {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return "unknown file system"
	}
	if name, ok := fileSystems[int64(stat.Type)]; ok {
		return name
	}
	return fmt.Sprintf("file system 0x%x", stat.Type)
}

// syncTime is what this disk takes to acknowledge one small write.
func syncTime(dir string) (_ time.Duration, err error) {
	const writes = 100
	file, err := os.CreateTemp(dir, "billfold-bench-sync-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(filepath.Clean(file.Name()))) }()
	block := make([]byte, 4096)
	times := make([]time.Duration, 0, writes)
	for range writes {
		began := time.Now()
		if _, err := file.Write(block); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

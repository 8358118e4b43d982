package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Send sends the server a signal and does not wait for its end.
func (c *Cluster) Send(signal syscall.Signal) error { return c.process.Process.Signal(signal) }

// Crash kills the server and each of its processes at once, as a loss of power
// does, and returns when none is left.
func (c *Cluster) Crash() error {
	// One that stands still starts no more processes.
	if err := c.Send(syscall.SIGSTOP); err != nil {
		return err
	}
	children, err := c.children()
	if err != nil {
		return err
	}
	if err := c.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		left := 0
		for _, pid := range children {
			if _, state := processOf(pid); state != 0 && state != 'Z' {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("processes of PostgreSQL do not end")
		}
	}
}

func (c *Cluster) children() (pids []int, err error) {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			return nil, err
		}
		if parent, _ := processOf(pid); parent == c.process.Process.Pid {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// processOf returns the parent and the state of a process; 0 when it has ended.
func processOf(pid int) (parent int, state byte) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	// The name in parentheses may hold anything.
	rest := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	parent, _ = strconv.Atoi(string(rest[1]))
	return parent, rest[0][0]
}
